"""Property: the kernel is the product of the Jacobian with itself, to rounding, for networks of any make."""

import numpy as np
import pytest

import ntklora as nl
from tests.tangent.networks import CASES, jacobian


def of_jacobian(name):
    rows = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jacobian(name).values()]
    return sum(np.einsum("ikp,jlp->ijkl", leaf, leaf) for leaf in rows)


# The rest of the networks differ in how they are read, not in what is done with the operands.
READ_ALIKE = {"fori_loop", "recurrent", "fused attention", "low-rank adapter", "standardized kernel", "branches"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in READ_ALIKE])
def test_kernel_against_the_jacobian_product(name):
    case, expected = CASES[name](), of_jacobian(name)
    kernel = np.asarray(nl.empirical_ntk(case.f, case.params, case.x))
    np.testing.assert_allclose(kernel, expected, atol=1e-12 * np.abs(expected).max(), rtol=0)
    np.testing.assert_array_equal(kernel, kernel.transpose(1, 0, 3, 2))
