"""A finished ranking of made-up numbers, in the files that ``trueshot rank`` leaves."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trueshot.core.errors import CriteriaError
from trueshot.core.results import Result
from trueshot.core.run import RunDirectory
from trueshot.criteria.consistency import self_consistency
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.curves import improvement_curve, pruning_curve
from trueshot.criteria.groups import by_cost, mean_group_rank_std, mean_group_std
from trueshot.criteria.lookups import best_found
from trueshot.criteria.summary import summarise

EVALUATORS = ("supernet", "supernet+twins")


def build_ranking(
    path: Path,
    *,
    architectures: int = 120,
    supernets: int = 2,
    good: float | None = 91.0,
    bootstrap: int = 8,
    curve: int = 2,
    twins: bool = True,
    baselines: tuple[str, ...] = ("params", "madds", "naswot", "cifar10_valid_12"),
    noise: float = 0.6,
    constant: bool = False,
    looked_up: bool = False,
) -> RunDirectory:
    """Make up a ranking; ``noise`` is that of each supernet, ``constant`` makes all scores equal.

    ``looked_up`` adds the best found after k look-ups, and the top ordered by short trainings.
    """
    rng = np.random.default_rng(0)
    quality = rng.normal(0, 1, architectures)
    truth = np.round(np.where(quality < -1.8, 10 + 40 * rng.random(architectures), 91 + 1.6 * quality), 2)
    params = np.round(np.exp(12 + 0.6 * (0.8 * quality + 0.6 * rng.normal(0, 1, architectures))))
    each = [np.zeros(architectures) if constant else quality + rng.normal(0, noise, architectures)
            for _ in range(supernets)]  # fmt: skip
    judge = Judge(truth, good, bootstrap)
    positions = np.sort(rng.choice(architectures, architectures // 2, replace=False))
    others = {"params": params, "madds": 40 * params, "cifar10_valid_12": truth + rng.normal(0, 1, architectures)}
    chosen = {name: (np.arange(architectures), others[name]) for name in baselines if name in others}
    chosen |= {name: (positions, quality[positions]) for name in baselines if name not in others}
    names = [name for name in EVALUATORS if twins or "+" not in name]
    main = np.mean(each, axis=0)
    result = {
        "space": {"class": "trueshot.spaces.nasbench201:NasBench201", "arguments": {}, "name": "nasbench201"},
        "dataset": {"name": "digits", "train": 1150, "validation": 288, "image_size": 16, "classes": 10},
        "architectures": architectures,
        "good": None if good is None else {"above": good, "architectures": int((truth > good).sum())},
        "sampler": "strictly fair",
        "sharing": "plain",
        "evaluators": {
            name: {**judge(np.arange(architectures), main), "supernets": [judge.tau(s) for s in each], "seconds": 12.5}
            for name in names
        },
        "baselines": {
            name: {**judge(where, scores), "seconds": 0.0 if name.startswith("cifar") else 0.7}
            for name, (where, scores) in chosen.items()
        },
        "agreement": agreement(each),
        "curve": [
            {"epoch": e + 1, "minutes": (e + 1) / 3, "n": architectures, "together": judge.tau(main, 1.0 * (curve - e)),
             "supernets": [judge.tau(s, 1.0 * (curve - e)) for s in each]}
            for e in range(curve + 1) if curve
        ],
        "pruning": drawn(pruning_curve(predicted=main, true=truth, points=30), value="kendall_tau"),
        "improvement": drawn(improvement_curve(predicted=main, true=truth)),
        "cost_groups": [asdict(g) for g in by_cost(predicted=main, true=truth, cost=40 * params)],
        "twins": spreads(truth, dict.fromkeys(names, main)) if twins else None,
        "seconds": {"training": [61.0] * supernets, "sampling": [0.1] * supernets, "scoring": [25.0] * supernets},
        "environment": {"trueshot": "0.1.0", "python": "3.12", "torch": "2.11", "cpu": "a processor", "gpu": None},
    }  # fmt: skip
    if looked_up:
        rankings = {"random search": np.zeros(architectures), "params": params, **dict.fromkeys(names, main)}
        result |= {"found": looks(truth, others["cifar10_valid_12"], rankings), "short": top(truth, main)}
    table = pd.DataFrame({"arch": [f"a{i}" for i in range(architectures)], "truth": truth})
    for name in names:
        table[name] = main
        for index, scores in enumerate(each):
            table[f"{name} ({index})"] = scores
    for name, (where, scores) in chosen.items():
        column = np.full(architectures, np.nan)
        column[where] = scores
        table[name] = column
    content: dict[str, Any] = {
        "command": "rank",
        "source": "digits",
        "ranking": {"seed": 0, "ranking": {"bootstrap": bootstrap, "supernets": supernets, "good": good}},
        "truth": {"file": "truth.parquet", "column": "cifar10_test_200"},
    }
    run = RunDirectory.open(path, content, resume=False)
    table.to_parquet(run.path / "scores.parquet", index=False)
    Result(command="rank", head=result).write(run.result)
    return run


class Judge:
    def __init__(self, truth: Any, good: float | None, bootstrap: int) -> None:
        self.truth, self.bootstrap = truth, bootstrap
        self.good = None if good is None else truth > good

    def __call__(self, where: Any, scores: Any) -> dict[str, Any]:
        truth = self.truth[where]
        found = {"n": len(where), "all": self.summary(scores, truth)}
        if self.good is not None:
            among = self.good[where]
            found["good"] = self.summary(scores[among], truth[among])
        return found

    def summary(self, scores: Any, truth: Any) -> dict[str, Any]:
        generator = np.random.default_rng(0) if self.bootstrap else None
        try:
            return dict(summarise(predicted=scores, true=truth, bootstrap=self.bootstrap or None, generator=generator))
        except CriteriaError as error:
            return {"undefined": str(error)}

    def tau(self, scores: Any, noise: float = 0.0) -> dict[str, float | None]:
        blurred = scores + np.random.default_rng(1).normal(0, noise, len(scores)) if noise else scores
        found = {"all": tau(blurred, self.truth)}
        if self.good is not None:
            found["good"] = tau(blurred[self.good], self.truth[self.good])
        return found


def looks(truth: Any, short: Any, rankings: dict[str, Any]) -> dict[str, Any]:
    curves = {}
    for name, scores in rankings.items():
        curve = best_found(predicted=scores, short=short, true=truth, generator=np.random.default_rng(0))
        ends = {"low": curve.quantile(0.025).tolist(), "high": curve.quantile(0.975).tolist()}
        curves[name] = {"n": len(truth), "median": curve.median.tolist(), **ends}
    return {"column": "cifar10_valid_12", "looks": curve.looks.tolist(), "draws": 20, "curves": curves}


def top(truth: Any, scores: Any) -> dict[str, Any]:
    order = np.argsort(-scores)[:3].tolist()
    rows = [
        {"arch": f"a{i}", "score": float(scores[i]), "short": short, "truth": float(truth[i])}
        for i, short in zip(reversed(order), ([0.5, 0.75], [0.4, None], [None, None]), strict=True)
    ]
    first = {"by_score": float(truth[order[0]]), "by_short": float(truth[order[2]])}
    return {"evaluator": "supernet", "column": None, "epochs": [1, 2], "top": rows, "first": first}


def tau(scores: Any, truth: Any) -> float | None:
    try:
        return kendall_tau(predicted=scores, true=truth)
    except CriteriaError:
        return None


def agreement(each: list[Any]) -> dict[str, float] | None:
    if len(each) < 2:
        return None
    try:
        return asdict(self_consistency(scores=np.stack(each)).mean)
    except CriteriaError:
        return None


def spreads(truth: Any, scores: dict[str, Any]) -> dict[str, Any]:
    labels = np.arange(len(truth)) // 2
    columns = {"truth": truth, **scores}
    return {
        "rule": "functional",
        "classes": len(np.unique(labels)),
        "std": {name: mean_group_std(values=values, labels=labels) for name, values in columns.items()},
        "rank_std": {name: mean_group_rank_std(values=values, labels=labels) for name, values in columns.items()},
    }


def drawn(curve: Any, **renamed: str) -> dict[str, Any]:
    return {
        renamed.get(key, key): [None if isinstance(v, float) and np.isnan(v) else v for v in values.tolist()]
        for key, values in vars(curve).items()
    }
