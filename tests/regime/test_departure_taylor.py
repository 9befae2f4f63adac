"""Property: after a short time t the networks differ by t², with a kernel that has moved by t: orders, no tolerance."""

import numpy as np
import pytest

from tests.regime.networks import NETWORKS, regime_of

RECORDED = (0, 1, 2, 4)
RATES = np.array([1e-3, 5e-4, 2.5e-4])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_orders_in_time(name, method):
    """Distances are relative to what training moved, of the order t: those of outputs and of δ are left with t."""
    paths = [
        getattr(regime_of(NETWORKS[name](), steps=4, learning_rate=rate, lam=0.0, recorded=RECORDED), method)
        for rate in RATES
    ]
    for measure in ("change", "kernel_drift", "output_distance", "held_out_distance", "delta_distance"):
        values = [getattr(path, measure)[-1] for path in paths]
        slopes = np.diff(np.log(values)) / np.diff(np.log(RATES))
        np.testing.assert_allclose(slopes, 1.0, atol=0.1, err_msg=measure)
    apart = [path.output_distance[-1] * path.linearized_change[-1] for path in paths]
    np.testing.assert_allclose(np.diff(np.log(apart)) / np.diff(np.log(RATES)), 2.0, atol=0.1)
