"""Property: what a claim and its controls say decides outcome and exit status, whatever they raise."""

import pytest

from ntklora.claims import Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.registry import all_claims, select_claims
from ntklora.claims.run import exit_status, run_claim, worst_outcome


def says(outcome):
    return lambda profile: Evidence(outcome, 1.0, {"share": 1.0}, 0.5)


def breaks(profile):
    raise ZeroDivisionError("no data")


def claim(check, control=None, name="T0"):
    doubt = Control("hypothesis off by one", Outcome.refuted, control or says(Outcome.refuted))
    return Claim(name, "a statement", "a source", Label.derived, 1, check, (doubt,))


@pytest.mark.parametrize(
    ("check", "control", "outcome", "status"),
    [
        (says(Outcome.consistent), None, Outcome.consistent, 0),
        (says(Outcome.inapplicable), None, Outcome.inapplicable, 0),
        (says(Outcome.inconclusive), None, Outcome.inconclusive, 1),
        (says(Outcome.refuted), None, Outcome.refuted, 1),
        (breaks, None, Outcome.error, 3),
        (says(Outcome.consistent), says(Outcome.consistent), Outcome.consistent, 1),
        (says(Outcome.consistent), breaks, Outcome.consistent, 3),
        (says(Outcome.refuted), breaks, Outcome.refuted, 3),
    ],
)
def test_outcome_and_exit_status(check, control, outcome, status):
    result = run_claim(claim(check, control), Profile.smoke)
    assert result.outcome is outcome
    assert exit_status([result]) == status


def test_a_claim_that_breaks_records_why():
    result = run_claim(claim(breaks), Profile.smoke)
    assert result.reason.startswith("ZeroDivisionError: no data [test_run_outcomes.py:")
    assert result.controls[0].as_expected


def test_the_worst_outcome_leads_and_inapplicable_counts_only_alone():
    results = {outcome: run_claim(claim(says(outcome)), Profile.smoke) for outcome in Outcome}
    order = [Outcome.error, Outcome.refuted, Outcome.inconclusive, Outcome.consistent, Outcome.inapplicable]
    for position, outcome in enumerate(order):
        assert worst_outcome([results[each] for each in reversed(order[position:])]) is outcome


def test_a_claim_without_control_is_refused():
    with pytest.raises(ValueError, match="no control"):
        Claim("T0", "a statement", "a source", Label.paper, 1, breaks, ())


def test_every_listed_claim_honours_the_contract():
    claims = all_claims()
    assert len({each.id for each in claims}) == len(claims)
    for each in claims:
        assert each.statement
        assert each.source
        assert isinstance(each.label, Label)
        # Something that must not come out consistent, and an instance outside the hypotheses.
        assert any(control.expected in (Outcome.refuted, Outcome.inconclusive) for control in each.controls), each.id
        assert any(control.expected is Outcome.inapplicable for control in each.controls), each.id


def test_an_unknown_id_is_an_error():
    with pytest.raises(ValueError, match="unknown claim 'T99'"):
        select_claims(["T99"])
