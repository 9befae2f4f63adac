"""The claims on existence and on the sharp boundary come out consistent, and every control as it must."""

import pytest

from ntklora.certificates.endpoints import Endpoint
from ntklora.claims import t2_prime, t2_strict, t2_worst, t2_zero
from ntklora.claims.claim import Outcome, Profile
from ntklora.claims.run import run_claim
from ntklora.claims.t1_existence import claims

CLAIMS = (*claims, *(each.claim for each in (t2_prime, t2_strict, t2_worst, t2_zero)))


@pytest.mark.parametrize("each", CLAIMS, ids=lambda each: each.id)
def test_consistent_with_controls_as_expected(each):
    result = run_claim(each, Profile.smoke)
    assert result.outcome is Outcome.consistent, (result.reason, result.measured)
    for control in result.controls:
        assert control.as_expected, control


def test_no_endpoint_is_no_evidence():
    assert t2_strict.none_strict([]).outcome is Outcome.inconclusive
    assert t2_strict.none_strict([Endpoint.global_]).outcome is Outcome.consistent
    assert t2_strict.none_strict([Endpoint.global_, Endpoint.rank_limited]).outcome is Outcome.refuted
    assert t2_strict.none_strict([Endpoint.global_, Endpoint.inconclusive]).outcome is Outcome.inconclusive
