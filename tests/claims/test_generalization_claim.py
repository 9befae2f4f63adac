"""The claim on generalization comes out consistent, and every control as it must."""

from ntklora.claims.claim import Outcome, Profile
from ntklora.claims.run import run_claim
from ntklora.claims.t3_generalization import claim


def test_consistent_with_controls_as_expected():
    result = run_claim(claim, Profile.smoke)
    assert result.outcome is Outcome.consistent, (result.reason, result.measured)
    assert result.margin >= 0
    for control in result.controls:
        assert control.as_expected, control
