"""The numbers of a ranking as the sentences of its report want them; the sentences stand in the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueshot.core.units import format_count
from trueshot.reporting.ranking_findings import FREE, Ranking, Value

_NAMES = {"params": "parameter count", "madds": "MAdds", "naswot": "NASWOT"}


def shown(name: str) -> str:
    """Return the name of an evaluator or baseline for people."""
    return _NAMES.get(name, name)


def number(value: float, digits: int = 2) -> str:
    """Write a number with a true minus sign, and no minus for zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """Write a share: 80 %, 0.0064 %."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.2g} %"


def span(value: Value, digits: int = 2) -> str | None:
    """Write an interval, ``None`` where there is none."""
    if value.low is None or value.high is None:
        return None
    return f"{number(value.low, digits)} to {number(value.high, digits)}"


def label_k(k: str) -> str:
    """Write a K for people: a fraction as a percentage, an absolute number as it is."""
    return f"{100 * float(k):g} %" if "." in k else k


def pairs(ranking: Ranking) -> dict[str, str] | None:
    """Return in how many of a hundred pairs the better architecture is put first, ``None`` where none is ordered."""
    share = ranking.value(ranking.main, "pairwise_accuracy")
    if share is None:
        return None
    return {"share": f"{100 * share.value:.0f}", "span": span(share.times(100), 0) or ""}


def verdict(ranking: Ranking) -> dict[str, Any]:
    """Return which sentence the comparison with what costs nothing allows."""
    free, lead = ranking.free, ranking.lead
    if ranking.value(ranking.main, "kendall_tau") is None:
        case = "no order"
    elif free is None:
        case = "alone"
    elif lead is None:
        case = "undefined"
    elif lead.low is None or lead.high is None:
        case = "higher" if lead.value > 0 else "not higher"
    else:
        case = "better" if lead.low > 0 else "worse" if lead.high < 0 else "open"
    return {"case": case, "free": "" if free is None else shown(free)}


def good_ones(ranking: Ranking) -> dict[str, str | None] | None:
    """Return tau among the good architectures, over all, and by what costs nothing; ``None`` where none was named."""
    good, everything = ranking.result["good"], ranking.value(ranking.main, "kendall_tau")
    if good is None:
        return None
    among = ranking.value(ranking.main, "kendall_tau", "good")
    named = [name for name in FREE if name in ranking.result["baselines"]]
    baselines = ((name, ranking.value(name, "kendall_tau", "good")) for name in named)
    free = next(((name, value) for name, value in baselines if value), None)
    return {
        "n": f"{good['architectures']:,}",
        "above": f"{good['above']:g}",
        "tau": None if among is None else number(among.value),
        "all": None if everything is None else number(everything.value),
        "free": None if free is None else shown(free[0]),
        "free_tau": None if free is None else number(free[1].value),
    }


def top(ranking: Ranking) -> dict[str, str | int] | None:
    """Return what the smallest share of the best-scored holds; ``None`` where none was asked for."""
    name, total = ranking.main, int(ranking.evaluator(ranking.main)["n"])
    fractions = [k for k in ranking.evaluator(name)["all"].get("br_at_k", {}) if "." in k]
    if not fractions:
        return None
    k = min(fractions, key=float)
    best, precise = ranking.value(name, "br_at_k", k=k), ranking.value(name, "p_at_k", k=k)
    assert best is not None
    assert precise is not None
    count = max(1, int(round(float(k) * total, 9)))
    return {
        "count": f"{count:,}",
        "k": label_k(k),
        "right": f"{round(precise.value * count):,}",
        "place": f"{round(best.value * total):,}",
        "total": f"{total:,}",
    }


def by_cost(ranking: Ranking) -> dict[str, Any] | None:
    """Return the most over- and the most under-estimated groups of like cost; ``None`` for fewer than two groups."""
    groups = ranking.result["cost_groups"]
    if len(groups) < 2:
        return None
    over = max(groups, key=lambda group: group["rank_difference"])
    under = min(groups, key=lambda group: group["rank_difference"])
    taus = [group["value"] for group in groups if group["value"] is not None]
    return {
        "over": {"madds": _madds(over), "places": f"{abs(over['rank_difference']):,.0f}"},
        "under": {"madds": _madds(under), "places": f"{abs(under['rank_difference']):,.0f}"},
        "total": f"{int(ranking.result['architectures']):,}",
        "low": number(min(taus)) if taus else None,
        "high": number(max(taus)) if taus else None,
    }


def _madds(group: dict[str, float]) -> str:
    low, high = format_count(group["cost_low"]), format_count(group["cost_high"])
    return f"{low} MAdds" if low == high else f"{low} to {high} MAdds"


def between_seeds(ranking: Ranking) -> dict[str, Any] | None:
    """Return how far supernets differ that were trained alike; ``None`` where none was trained."""
    agreement, tau = ranking.result["agreement"], ranking.value(ranking.main, "kendall_tau")
    alone = [one["all"] for one in ranking.evaluator(ranking.main)["supernets"]]
    if not alone:
        return None
    told = None if agreement is None or tau is None else float(agreement["kendall_tau"])
    return {
        "n": len(alone),
        "taus": _listed(alone) if len(alone) > 1 else "",
        "agreement": None if told is None else number(told),
        "more": told is not None and tau is not None and told > tau.value,
    }


def _listed(taus: Sequence[float | None]) -> str:
    known = [tau for tau in taus if tau is not None]
    if len(known) < len(taus):
        return ", ".join("undefined" if tau is None else number(tau) for tau in taus)
    if len(known) <= 4:
        return " and ".join([", ".join(number(tau) for tau in known[:-1]), number(known[-1])])
    return f"{number(min(known))} to {number(max(known))}"


def between_twins(ranking: Ranking) -> dict[str, str] | None:
    """Return how far the places of twins lie apart; ``None`` where there are none."""
    twins = ranking.result["twins"]
    if twins is None:
        return None
    return {
        "n": f"{int(ranking.result['architectures']):,}",
        "classes": f"{twins['classes']:,}",
        "ours": f"{twins['rank_std'][ranking.main]:,.1f}",
        "true": f"{twins['rank_std']['truth']:,.1f}",
    }
