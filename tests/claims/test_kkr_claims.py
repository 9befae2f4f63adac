"""The claims beyond linearization come out consistent, and every control as it must."""

import pytest

from ntklora.claims.claim import Outcome, Profile
from ntklora.claims.kkr_distance import claims as distances
from ntklora.claims.kkr_loud_minima import claims
from ntklora.claims.kkr_norm import claim
from ntklora.claims.registry import all_claims
from ntklora.claims.run import run_claim


@pytest.mark.parametrize("each", [*claims, *distances, claim], ids=lambda each: each.id)
def test_consistent_with_controls_as_expected(each):
    result = run_claim(each, Profile.smoke)
    assert result.outcome is Outcome.consistent, (result.reason, result.measured)
    assert result.margin >= 0
    for control in result.controls:
        assert control.as_expected, control


def test_they_stand_between_the_first_paper_and_the_initializations():
    ids = [each.id for each in all_claims()]
    ours = [place for place, name in enumerate(ids) if name.startswith("KKR")]
    assert ids.index("C1") < min(ours)
    assert max(ours) < ids.index("H1")
