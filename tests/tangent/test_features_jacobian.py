"""Property: tangent features are the Jacobian, factored in every layer that multiplies, for networks of any make."""

import jax
import numpy as np
import pytest

import ntklora as nl
from tests.tangent.networks import CASES, jacobian


@pytest.mark.parametrize("name", CASES)
def test_features_are_the_jacobian_and_factored(name):
    case = CASES[name]()
    op = nl.tangent_features(case.f, case.params, case.x)
    assert dict(op.layout) == case.layout
    assert set(dict(op.reasons)) == {target for target, layout in case.layout.items() if layout == "dense"}
    folds = dict(op.folds)
    for target, block in jax.tree.map(np.asarray, op).blocks.items():
        expected = folds[target].unfold(jacobian(name)[target])
        np.testing.assert_allclose(block.dense(), expected, atol=1e-13 * np.abs(expected).max(), rtol=0)
