"""The claims about random and preheated directions hold in the smoke profile, and see what they must see.

All their controls run in `make reproduce`, whose exit status they decide; here is one of each kind.
"""

import pytest

from ntklora.claims import Outcome, Profile
from ntklora.claims.h1_asymmetric_training import claim as h1
from ntklora.claims.h2_random_direction import claim as h2
from ntklora.claims.h6_preheating import claim as h6


@pytest.mark.parametrize(
    "claim", [h1, h2, pytest.param(h6, marks=pytest.mark.slow)], ids=lambda claim: getattr(claim, "id", None)
)
def test_claim_is_consistent(claim):
    found = claim.check(Profile.smoke)
    assert found.outcome == Outcome.consistent
    assert found.margin >= 0


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        (h1, "the limit is read after 20 steps"),
        pytest.param(h2, "the mean rank is simulated 2% too high", marks=pytest.mark.slow),
        (h6, "a gain claimed for the flat spectrum"),
    ],
)
def test_control_comes_out_as_expected(claim, name):
    (control,) = (control for control in claim.controls if control.name == name)
    assert control.check(Profile.smoke).outcome == control.expected
