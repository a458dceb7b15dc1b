import json

import pytest
import torch

import scripts.claims
from pipeline.claims import natural_text, natural_text_findings
from pipeline.claims.inference import p_value_of
from pipeline.claims.jobs import Results
from pipeline.claims.natural_text import Text
from pipeline.claims.verdict import (
    Finding,
    above,
    at_least,
    below,
    dependent,
    equivalent,
    exact,
    exactly_above,
    guarded,
    judge,
    of_bound,
)
from pipeline.statistics import Estimate
from tests.commands import ROOT


def finding(outcome, is_primary=False, what="x"):
    return Finding(what, "rule", outcome, is_primary)


@pytest.mark.parametrize(
    ("primary", "others", "expected"),
    [
        ("passes", [], "holds"),
        ("passes", ["passes"], "holds"),
        ("passes", ["fails", "passes"], "holds in part"),
        ("passes", ["fails", "undecided"], "holds in part"),
        ("passes", ["undecided"], "holds in part"),
        ("passes", ["missing"], "undecided"),
        ("passes", ["fails", "missing"], "undecided"),
        ("undecided", ["passes"], "undecided"),
        ("missing", ["passes"], "undecided"),
        ("fails", ["passes"], "fails"),
        ("fails", ["missing"], "fails"),
    ],
)
def test_the_rule(primary, others, expected):
    assert judge([finding(primary, is_primary=True), *map(finding, others)]).verdict == expected


OUTCOMES = ("fails", "missing", "undecided", "passes")
VERDICTS = ("fails", "undecided", "holds in part", "holds")


@pytest.mark.parametrize("others", [[a, b] for a in OUTCOMES for b in OUTCOMES])
def test_no_claim_fares_better_for_a_finding_that_fares_worse(others):
    def rank(outcome, is_primary):
        found = [finding(outcome, is_primary), finding("passes", True), *map(finding, others)]
        return VERDICTS.index(judge(found).verdict)

    for is_primary in (True, False):
        decided = [rank(outcome, is_primary) for outcome in ("fails", "undecided", "passes")]
        assert decided == sorted(decided)


def test_all_primary_findings_must_pass():
    both = [finding("passes", is_primary=True), finding("fails", is_primary=True, what="the second")]
    assert judge(both) == ("fails", "fails: the second")


def test_the_reason_names_what_fails():
    literal = finding("fails", what="the literal part")
    assert judge([finding("passes", True), literal]).why == "but fails: the literal part"
    unsure = finding("undecided", what="one direction")
    assert judge([finding("passes", True), unsure, literal]).why == (
        "but fails: the literal part; undecided: one direction"
    )


def test_a_claim_without_a_primary_finding_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="needs a primary finding"):
        judge([finding("passes")])


def measured(value, low, high):
    return Estimate(value, low, high, 100, 3, None)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (above("x", measured(2, 1, 3), 0.5), "passes"),
        (above("x", measured(2, 0, 3), 0.5), "undecided"),
        (above("x", measured(0, -1, 0.4), 0.5), "fails"),
        (above("x", measured(0.5, 0.5, 0.5), 0.5), "undecided"),
        (below("x", measured(0.5, 0.5, 0.5), 0.5), "undecided"),
        (below("x", measured(0.5, 0.4, 0.5), 0.5), "undecided"),
        (guarded(finding("fails"), [finding("passes")]), "fails"),
        (guarded(finding("fails"), [finding("passes"), finding("undecided")]), "undecided"),
        (guarded(finding("passes"), [finding("fails")]), "passes"),
        (dependent(finding("passes"), [finding("passes")]), "passes"),
        (dependent(finding("passes"), [finding("passes"), finding("fails")]), "undecided"),
        (dependent(finding("missing"), [finding("missing")]), "missing"),
        (of_bound(is_lower=True, is_upper=False, finding=finding("fails")), "undecided"),
        (of_bound(is_lower=True, is_upper=False, finding=finding("passes")), "passes"),
        (of_bound(is_lower=False, is_upper=True, finding=finding("passes")), "undecided"),
        (of_bound(is_lower=False, is_upper=True, finding=finding("fails")), "fails"),
        (of_bound(is_lower=True, is_upper=True, finding=finding("passes")), "undecided"),
        (of_bound(is_lower=True, is_upper=True, finding=finding("fails")), "undecided"),
        (of_bound(is_lower=True, is_upper=True, finding=finding("missing")), "missing"),
        (below("x", measured(0, -1, 0.4), 0.5), "passes"),
        (below("x", measured(2, 1, 3), 0.5), "fails"),
        (at_least("x", measured(0.4, 0.2, 0.6), size=0.3, beyond=0.1), "passes"),
        (at_least("x", measured(0.4, 0.05, 0.6), size=0.3, beyond=0.1), "undecided"),
        (at_least("x", measured(0.25, 0.2, 0.35), size=0.3, beyond=0.1), "undecided"),
        (at_least("x", measured(0.1, 0.0, 0.2), size=0.3, beyond=0.1), "fails"),
        (equivalent("x", measured(0.0, -0.01, 0.01), 0.02), "passes"),
        (equivalent("x", measured(0.0, -0.05, 0.05), 0.02), "undecided"),
        (equivalent("x", measured(0.1, 0.05, 0.15), 0.02), "fails"),
        (equivalent("x", measured(-0.03, -0.05, -0.01), 0.02), "undecided"),
        (equivalent("x", measured(-0.1, -0.15, -0.05), 0.02), "fails"),
        (exact("x", 1e-7, 1e-6), "passes"),
        (exact("x", 1e-5, 1e-6), "fails"),
        (exact("x", 1, 1), "passes"),
        (exact("x", float("nan"), 1e-6), "fails"),
        (exactly_above("x", 2.0, 1.0), "passes"),
        (exactly_above("x", 1.0, 1.0), "fails"),
        (above("x", None, 0.5), "missing"),
        (exact("x", None, 0.5), "missing"),
    ],
)
def test_each_kind_of_finding_on_every_side_of_its_threshold(made, expected):
    assert made.outcome == expected


def test_the_p_value_of_at_least_is_that_of_the_number_that_decides():
    for found, decisive in (
        (measured(0.4, 0.2, 0.6), 0.1),
        (measured(0.4, 0.05, 0.6), 0.1),
        (measured(0.25, 0.2, 0.35), 0.3),
        (measured(0.05, 0.0, 0.1), 0.3),  # fails, since it is below 0.3; that it is not above 0.1 would tell nothing
    ):
        assert at_least("x", found, size=0.3, beyond=0.1).p_value == p_value_of(found, decisive)


def test_the_p_value_of_equivalence_is_that_of_the_nearer_end():
    found = measured(0.01, 0.0, 0.02)
    assert equivalent("x", found, 0.05).p_value == p_value_of(found, 0.05) > p_value_of(found, -0.05)


@pytest.mark.parametrize("name", scripts.claims.PAGES)
def test_published_verdicts_are_by_the_criteria_of_the_code(name, monkeypatch):
    """A threshold or a size that is changed is seen here, whatever its tests of made-up results allow."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # C5 was published from a CPU
    content = json.loads((ROOT / f"results/claims/{name}.json").read_text(encoding="utf-8"))
    findings, _ = scripts.claims.page_of(name).judge(Results({}), content["profile"])
    if content.get("natural_text"):
        of_text, _ = natural_text_findings.judge(name, Results({}), content["profile"], Text("", "", ""))
        findings = [*findings, *of_text]
        of_profile = natural_text.PROFILES[content["profile"]]
        assert {**content["natural_text"], **json.loads(json.dumps(of_profile))} == content["natural_text"]
    settings = scripts.claims.page_of(name).PROFILES[content["profile"]]
    assert content["settings"] == json.loads(json.dumps(dict(settings)))
    published = [Finding(**of_one) for of_one in content["findings"]]
    assert [(f.rule, f.is_primary) for f in findings] == [(f.rule, f.is_primary) for f in published]
    assert judge(published).verdict == content["verdict"]
