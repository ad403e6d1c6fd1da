"""What the numbers of a ranking say, in words for a reader who never read a paper about it."""

from __future__ import annotations

from collections.abc import Sequence

from trueshot.core.units import format_count
from trueshot.reporting.ranking_findings import FREE, Ranking, Value

_NAMES = {"params": "parameter count", "madds": "MAdds", "naswot": "NASWOT"}

COLUMNS = (
    (
        "Kendall τ",
        "Pairs in the right order minus pairs in the wrong order, as a share of all pairs: 1 is the true order, 0 is "
        "chance, −1 is the reverse. Ties are corrected for (tau-b).",
    ),
    ("Spearman", "Correlation of the places, from −1 to 1. A large displacement weighs more than in τ."),
    (
        "Pearson",
        "Correlation of scores and truth themselves, from −1 to 1. A few broken architectures far below all others can "
        "make it high without any order among the rest.",
    ),
    (
        "Right pairs",
        "Share of pairs put in the right order; a coin reaches 50 %. Of two that are tied the one that stands first in "
        "the table counts as the better.",
    ),
    ("P@K", "Share of the best-scored K that are truly among the best K. Higher is better, chance reaches K."),
    (
        "BR@K",
        "True place, among all n, of the best of the best-scored K: what one gets by training these K and keeping the "
        "best. Lower is better. Papers print it divided by n.",
    ),
)
"""Heads of the table with what they mean."""


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


def right_pairs(ranking: Ranking, name: str, part: str = "all") -> str:
    """Say in how many of a hundred pairs the better architecture is put first."""
    share = ranking.value(name, "pairwise_accuracy", part)
    if share is None:
        return "It puts no two architectures in an order that could be compared with the truth."
    between = f" ({span(share.times(100), 0)} %)" if span(share) else ""
    return (
        f"Of two architectures taken at random it puts the better one first in {100 * share.value:.0f} % of cases"
        f"{between}; a coin reaches 50 %."
    )


def verdict(ranking: Ranking) -> str:
    """Say whether the ranking beats what costs nothing, and no more than the numbers allow."""
    free, lead = ranking.free, ranking.lead
    if ranking.value(ranking.main, "kendall_tau") is None:
        return "The scores order nothing: see the table for the reason."
    if free is None:
        return (
            "Nothing that costs no training was ranked beside it, so this run does not show that it was worth its time."
        )
    if lead is None:
        return f"It cannot be compared with the {shown(free)}."
    if lead.low is None or lead.high is None:
        better = "higher" if lead.value > 0 else "not higher"
        return f"Its τ is {better} than that of the {shown(free)}, which costs nothing; no intervals were asked for."
    if lead.low > 0:
        return f"It ranks better than the {shown(free)}, which costs nothing, by more than chance explains."
    if lead.high < 0:
        return f"The {shown(free)}, which costs nothing, ranks better: this training was not worth its time."
    return f"No difference to the {shown(free)}, which costs nothing, is shown: the interval contains zero."


def breaks(ranking: Ranking) -> list[tuple[str, str]]:
    """Say where the ranking breaks, as pairs of a heading and a sentence or two."""
    parts = {
        "Among the good": _among_good(ranking),
        "At the top": _at_the_top(ranking),
        "By cost": _by_cost(ranking),
        "From seed to seed": _between_seeds(ranking),
        "Between twins": _twins(ranking),
    }
    return [(title, text) for title, text in parts.items() if text]


def _among_good(ranking: Ranking) -> str:
    good, everything = ranking.result["good"], ranking.value(ranking.main, "kendall_tau")
    if good is None:
        return (
            "Nothing was said about which architectures are good ones (--good), so this report does not show whether "
            "the ranking orders the good or only tells broken architectures from working ones. The figure below of the "
            "correlation that is left gives a hint."
        )
    among = ranking.value(ranking.main, "kendall_tau", "good")
    where = f"Among the {good['architectures']:,} architectures above {good['above']:g}"
    if among is None:
        return f"{where} the scores give no order."
    then = "" if everything is None else f", over all it is {number(everything.value)}"
    baselines = [
        (name, ranking.value(name, "kendall_tau", "good")) for name in FREE if name in ranking.result["baselines"]
    ]
    free = next((f"; the {shown(name)} has {number(value.value)} there" for name, value in baselines if value), "")
    return f"{where} τ is {number(among.value)}{then}{free}. The winner is chosen among these, not among all."


def _at_the_top(ranking: Ranking) -> str:
    name, total = ranking.main, int(ranking.evaluator(ranking.main)["n"])
    found = ranking.evaluator(name)["all"].get("br_at_k", {})
    fractions = [k for k in found if "." in k]
    if not fractions:
        return ""
    k = min(fractions, key=float)
    best, precise = ranking.value(name, "br_at_k", k=k), ranking.value(name, "p_at_k", k=k)
    assert best is not None
    assert precise is not None
    count = max(1, int(round(float(k) * total, 9)))
    place = round(best.value * total)
    which = "truly the best of all" if place == 1 else f"truly in place {place:,} of {total:,}"
    return (
        f"Of the {count:,} best-scored architectures ({label_k(k)}), {round(precise.value * count):,} are truly among "
        f"the {count:,} best. Whoever trains all {count:,} and keeps the best one gets an architecture that is {which}."
    )


def _by_cost(ranking: Ranking) -> str:
    groups, total = ranking.result["cost_groups"], int(ranking.result["architectures"])
    if len(groups) < 2:
        return ""
    over = max(groups, key=lambda group: group["rank_difference"])
    under = min(groups, key=lambda group: group["rank_difference"])
    said = [
        f"{verb} most are those of {_madds(group)}, by {abs(group['rank_difference']):,.0f} places of {total:,}"
        for verb, group in (("On average over-estimated", over), ("under-estimated", under))
    ]
    taus = [group["value"] for group in groups if group["value"] is not None]
    inside = "" if not taus else (
        f" Inside the groups of like cost τ goes from {number(min(taus))} to {number(max(taus))}: what is left there "
        "is not owed to cost."
    )  # fmt: skip
    return f"{said[0]}; {said[1]}.{inside}"


def _madds(group: dict[str, float]) -> str:
    low, high = format_count(group["cost_low"]), format_count(group["cost_high"])
    return f"{low} MAdds" if low == high else f"{low} to {high} MAdds"


def _between_seeds(ranking: Ranking) -> str:
    agreement, tau = ranking.result["agreement"], ranking.value(ranking.main, "kendall_tau")
    alone = [one["all"] for one in ranking.evaluator(ranking.main)["supernets"]]
    if not alone:
        return ""
    if len(alone) < 2:
        return (
            "One supernet was trained, so nothing here tells how much another seed would change: the intervals are "
            "over the choice of architectures only. --supernets 3 would tell."
        )
    each = f"Each of the {len(alone)} supernets alone has τ of {_listed(alone)}"
    if agreement is None or tau is None:
        return (
            f"{each}. How far they agree with each other is undefined: one of them gives all architectures one score."
        )
    why = (
        "They agree with each other more than with the truth: part of what is wrong is wrong in all of them, and no "
        "number of seeds removes that."
        if agreement["kendall_tau"] > tau.value
        else "They agree with each other no more than with the truth: much of the error is chance, which the mean over "
        "more seeds reduces."
    )
    return f"{each}, and two of them agree with τ of {number(agreement['kendall_tau'])}. {why}"


def _listed(taus: Sequence[float | None]) -> str:
    known = [tau for tau in taus if tau is not None]
    if len(known) < len(taus):
        return ", ".join("undefined" if tau is None else number(tau) for tau in taus)
    if len(known) <= 4:
        return " and ".join([", ".join(number(tau) for tau in known[:-1]), number(known[-1])])
    return f"{number(min(known))} to {number(max(known))}"


def _twins(ranking: Ranking) -> str:
    twins = ranking.result["twins"]
    if twins is None:
        return ""
    ours, true = twins["rank_std"][ranking.main], twins["rank_std"]["truth"]
    return (
        f"The {int(ranking.result['architectures']):,} architectures are {twins['classes']:,} different functions. "
        f"Twins, which compute the same, get places that differ by {ours:,.1f} (standard deviation), in the truth by "
        f"{true:,.1f}."
    )
