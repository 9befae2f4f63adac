"""The kernel benchmark compares like with like: kernels agree, operations are counted, what is left out is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ntklora.bench import ntk
from ntklora.bench.operations import count_operations
from ntklora.models import MLP, Parametrization

SMALL = MLP((5, 6, 4, 3), parametrization=Parametrization.standard)


@pytest.mark.parametrize("trace", [False, True])
def test_every_kernel_is_the_same(monkeypatch, trace):
    monkeypatch.setitem(ntk.NETWORKS, "mlp", (SMALL, (5,)))
    monkeypatch.setattr("ntklora.bench.measure.PEAK_SIDE", 8)
    by_hand, plain = ntk.compare("mlp", 4, "float64", trace=trace, repeats=1)
    for record in (by_hand, plain):
        assert float(record.note.split(" apart")[0].split()[-1]) < 1e-14
        assert record.ratio == record.baseline_seconds / record.seconds
        assert record.gflops > 0
    assert (by_hand.baseline, plain.baseline) == ("layerwise code", "plain Jacobian product")


def test_a_baseline_too_large_is_named(monkeypatch):
    monkeypatch.setitem(ntk.NETWORKS, "mlp", (SMALL, (5,)))
    monkeypatch.setattr("ntklora.bench.measure.PEAK_SIDE", 8)
    monkeypatch.setattr(ntk, "memory_allowance", lambda: 2**10)
    (only,) = ntk.compare("mlp", 4, "float32", repeats=1)
    assert only.baseline == "layerwise code"
    assert "plain Jacobian product would take" in only.note


def test_float64_switched_off_is_refused():
    with jax.enable_x64(False), pytest.raises(ValueError, match="float64 is switched off"):
        ntk.ntk_cases(repeats=1)


def test_operations_by_hand():
    a, b = jnp.ones((4, 3)), jnp.ones((3, 5))
    image, kernel = jnp.ones((1, 2, 7)), jnp.ones((6, 2, 3))

    def repeated(a, b):
        return lax.scan(lambda c, _: (c + jax.jit(jnp.matmul)(a, b), None), jnp.zeros((4, 5)), None, length=7)[0]

    assert count_operations(repeated, a, b) == 7 * 2 * 4 * 3 * 5
    convolution = count_operations(lambda x, w: lax.conv_general_dilated(x, w, (1,), "VALID"), image, kernel)
    assert convolution == 2 * 6 * 5 * (2 * 3)
    branched = count_operations(lambda a, b: lax.cond(a[0, 0] > 0, lambda: a @ b, lambda: jnp.zeros((4, 5))), a, b)
    assert branched == 2 * 4 * 3 * 5
    with pytest.raises(ValueError, match="while loop with matrix products"):
        count_operations(lambda a: lax.while_loop(lambda c: c[0, 0] < 9, lambda c: c @ c.T, a), np.ones((2, 2)))
