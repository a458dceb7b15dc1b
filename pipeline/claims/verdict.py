"""From measurements to verdicts, by one rule for all claims.

A claim has primary findings and others (sub-claims, controls). It *fails* if a primary one fails; else it is
*undecided* if a primary one is, or if anything is missing; else it holds *in part* if another finding fails or is
undecided; else it *holds*. So no claim fares better for a finding that fares worse. A finding is undecided where its
interval spans the threshold, and where it, or a failure of it, would say nothing of the claim: where a control does not
pass that it depends on, or where the measurement is only a bound.

Each finding is decided by its own interval. What correcting for the number of primary findings would change is said in
the table, and changes no verdict: how one claim stands would depend on which others were tested in the same call.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from pipeline.claims.inference import p_value_of
from pipeline.statistics import Estimate

Outcome = Literal["passes", "fails", "undecided", "missing"]
Verdict = Literal["holds", "holds in part", "fails", "undecided"]


class Claim(NamedTuple):
    """What is claimed.

    Attributes:
        name: "C1".
        title: A few words.
        says: The claim of the article in our own words, one sentence.
    """

    name: str
    title: str
    says: str


class Finding(NamedTuple):
    """One measured thing, held against a threshold that was set before.

    Attributes:
        what: What was measured, in a few words.
        rule: When it passes, in one line.
        outcome: Whether it does.
        is_primary: Whether the claim stands or falls with it.
        value: The measurement; None where it is missing.
        low: Lower end of its 95 % interval; None for an exact measurement.
        high: Upper end.
        n: Over how many items of each seed the interval was made, 1 where it gave one number; None for an exact
            measurement.
        seeds: Over how many seeds.
        p_value: Of the hypothesis that the measurement only just reaches the threshold of `rule`, two-sided, as
            `inference.p_value_of` has it. Of `equivalent`: the end that is nearer. Of `at_least`: the least size where
            the value is below that, else what the interval must be above. None for an exact measurement or no width.
    """

    what: str
    rule: str
    outcome: Outcome
    is_primary: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seeds: int | None = None
    p_value: float | None = None


class Judged(NamedTuple):
    """The end of a page.

    Attributes:
        verdict: By the rule above.
        why: One sentence: which findings decided.
    """

    verdict: Verdict
    why: str


def judge(findings: Sequence[Finding]) -> Judged:
    """The verdict that follows from `findings`."""
    if not any(finding.is_primary for finding in findings):
        raise ValueError("a claim needs a primary finding")

    def named(outcome: Outcome, *of_primary: bool) -> str:
        return "; ".join(f.what for f in findings if f.outcome == outcome and f.is_primary in of_primary)

    if failed := named("fails", True):
        return Judged("fails", f"fails: {failed}")
    if missing := named("missing", True, False):
        return Judged("undecided", f"measurements are missing: {missing}")
    if unsure := named("undecided", True):
        return Judged("undecided", f"undecided: {unsure}")
    if others := [f"{outcome}: {what}" for outcome in ("fails", "undecided") if (what := named(outcome, False))]:
        return Judged("holds in part", f"but {'; '.join(others)}")
    return Judged("holds", "every finding passes")


def guarded(finding: Finding, controls: Sequence[Finding]) -> Finding:
    """`finding`, whose failure means something only where its `controls` pass: where they do not, it is undecided."""
    fails_for_nothing = finding.outcome == "fails" and any(control.outcome != "passes" for control in controls)
    outcome = "undecided" if fails_for_nothing else finding.outcome
    return finding._replace(rule=f"{finding.rule}; fails only if its controls pass", outcome=outcome)


def dependent(finding: Finding, controls: Sequence[Finding]) -> Finding:
    """`finding`, which means something only where its `controls` pass: where they do not, it is undecided."""
    says_something = finding.outcome == "missing" or all(control.outcome == "passes" for control in controls)
    outcome = finding.outcome if says_something else "undecided"
    return finding._replace(rule=f"{finding.rule}; decided only if its controls pass", outcome=outcome)


def of_bound(finding: Finding, *, is_lower: bool, is_upper: bool) -> Finding:
    """`finding` of a measurement that only bounds what is asked for: a lower bound may pass and cannot fail, an upper
    one may fail and cannot pass, and one that is both tells nothing."""
    if not (is_lower or is_upper):
        return finding
    what = "no bound" if is_lower and is_upper else "a lower bound" if is_lower else "an upper bound"
    says_nothing = (is_lower and finding.outcome == "fails") or (is_upper and finding.outcome == "passes")
    outcome = "undecided" if says_nothing else finding.outcome
    return finding._replace(what=f"{finding.what}; {what}", outcome=outcome)


# Findings, each from a measurement and its threshold. `measured` is None where a job is missing.


def above(what: str, measured: Estimate | None, threshold: float, *, is_primary: bool = False) -> Finding:
    """Passes where the whole interval is above `threshold`, fails where all of it is below."""
    rule = f"whole interval above {threshold:g}"
    passes, fails = lambda e: e.low > threshold, lambda e: e.high < threshold
    return _interval(what, rule, measured, is_primary, passes, fails, [threshold])


def below(what: str, measured: Estimate | None, threshold: float, *, is_primary: bool = False) -> Finding:
    """Passes where the whole interval is below `threshold`, fails where all of it is above."""
    rule = f"whole interval below {threshold:g}"
    passes, fails = lambda e: e.high < threshold, lambda e: e.low > threshold
    return _interval(what, rule, measured, is_primary, passes, fails, [threshold])


def at_least(what: str, measured: Estimate | None, size: float, beyond: float, *, is_primary: bool = False) -> Finding:
    """Passes where the value is at least `size` and the whole interval above `beyond`; fails where the whole interval
    is below `size`."""
    rule = f"at least {size:g}, whole interval above {beyond:.3g}"
    passes = lambda e: e.value >= size and e.low > beyond  # noqa: E731
    decisive = size if measured is not None and measured.value < size else beyond
    return _interval(what, rule, measured, is_primary, passes, lambda e: e.high < size, [decisive])


def equivalent(what: str, measured: Estimate | None, margin: float, *, is_primary: bool = False) -> Finding:
    """Passes where the whole interval lies within ± `margin` (two one-sided tests, here at 2.5 % each); fails where it
    lies outside."""
    rule = f"whole interval within ±{margin:g}"
    return _interval(
        what,
        rule,
        measured,
        is_primary,
        lambda e: -margin < e.low and e.high < margin,
        lambda e: e.low > margin or e.high < -margin,
        [-margin, margin],
    )


def exact(
    what: str, value: float | None, tolerance: float, *, is_primary: bool = False, basis: str = "exact"
) -> Finding:
    """Passes where a number without statistics is at most `tolerance`: it needs none or, with another `basis`, is of
    these very trainings, and others may change it."""
    outcome = "missing" if value is None else "passes" if value <= tolerance else "fails"
    return Finding(what, f"at most {tolerance:g} ({basis})", outcome, is_primary, value)


def exactly_above(what: str, value: float | None, threshold: float, *, is_primary: bool = False) -> Finding:
    """Passes where a number that needs no statistics is more than `threshold`."""
    outcome = "missing" if value is None else "passes" if value > threshold else "fails"
    return Finding(what, f"more than {threshold:g} (exact)", outcome, is_primary, value)


def _interval(
    what: str,
    rule: str,
    measured: Estimate | None,
    is_primary: bool,
    passes: Callable[[Estimate], bool],
    fails: Callable[[Estimate], bool],
    thresholds: Sequence[float],
) -> Finding:
    if measured is None:
        return Finding(what, rule, "missing", is_primary)
    outcome = "passes" if passes(measured) else "fails" if fails(measured) else "undecided"
    numbers = (measured.value, measured.low, measured.high, measured.num_sentences, measured.num_seeds)
    p_values = [p_value_of(measured, threshold) for threshold in thresholds]
    p_value = None if any(map(math.isnan, p_values)) else max(p_values)
    return Finding(what, rule, outcome, is_primary, *numbers, p_value)
