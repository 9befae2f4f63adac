"""The loss alone, without weight decay: Newton's method on the outputs, then the smallest `δ` that has them.

    min_c L(f0 + B c),   B (NK, d) an orthonormal basis of range A        δ = argmin ‖δ‖_F  s.t.  A(δ) = B c

Convex and smooth in `d ≤ NK` variables; one step for the squared loss. Host code in NumPy float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.problem.objective import dual_vector, training_loss
from ntklora.problem.problem import Problem

Matrices = dict[str, Any]

_MAX_STEPS = 200
# Steps end when Newton's decrement is below this share of the loss at the start.
_RESOLUTION = 1e-16
# Rounds of refinement of the smallest δ: each gains the digits that the kernel's condition number leaves.
_REFINEMENTS = 4


class Kernel(NamedTuple):
    """Eigenpairs of `A A*` above rounding: `values (d,)`, `vectors (NK, d)`, an orthonormal basis of range A."""

    values: np.ndarray
    vectors: np.ndarray


class Fit(NamedTuple):
    """`deltas` by weight, and the number of Newton steps it took."""

    deltas: Matrices
    num_steps: int


def minimize_loss(problem: Problem) -> Fit:
    """The `δ` of smallest Frobenius norm that minimizes `L`, for a problem on the host.

    Where the loss has no minimizer the outputs grow until the steps are used up: ask the certificates first.
    """
    kernel = kernel_of(problem)
    n, k = problem.f0.shape
    basis = kernel.vectors.reshape(n, k, -1)
    outputs, num_steps = np.zeros((n, k)), 0
    start = float(training_loss(problem, problem.f0))
    while num_steps < _MAX_STEPS:
        num_steps += 1
        z = problem.f0 + outputs
        gradient = np.einsum("ijd,ij->d", basis, dual_vector(problem, z)) / n
        roots = np.einsum("ijd,ijk->ikd", basis, problem.loss.hessian_factor(z, problem.y)).reshape(-1, basis.shape[2])
        hessian = roots.T @ roots / n
        # The shift serves saturated samples, and shrinks with the gradient: the end is quadratic.
        shift = 1e-3 * gradient @ gradient + 1e-15 * np.trace(hessian)
        direction = -np.linalg.solve(hessian + shift * np.eye(len(gradient)), gradient)
        decrement = -float(gradient @ direction)
        moved = basis @ direction
        length = _shorten(problem, outputs, moved, decrement)
        outputs = outputs + length * moved
        if decrement <= _RESOLUTION * start or length == 0:
            break
    return Fit(smallest_change(problem, kernel, outputs), num_steps)


def kernel_of(problem: Problem) -> Kernel:
    """The eigendecomposition of the tangent kernel, eigenvalues above `NK · eps` of the largest."""
    size = problem.f0.size
    values, vectors = np.linalg.eigh(problem.op.gram().transpose(0, 2, 1, 3).reshape(size, size))
    kept = values > size * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return Kernel(values[kept], vectors[:, kept])


def smallest_change(problem: Problem, kernel: Kernel, outputs: np.ndarray) -> Matrices:
    """The `δ = A*(x)`, `A A* x = outputs`, of smallest Frobenius norm with these outputs `(N, K)` in range A."""
    op = problem.op
    deltas = {name: np.zeros(shape) for name, shape in op.shapes.items()}
    for _ in range(1 + _REFINEMENTS):
        missing = outputs - op.apply(op.like(deltas))
        x = kernel.vectors @ ((kernel.vectors.T @ missing.ravel()) / kernel.values)
        more = op.as_dict(op.adjoint(x.reshape(outputs.shape)))
        deltas = {name: deltas[name] + more[name] for name in deltas}
    return deltas


def _shorten(problem: Problem, outputs: np.ndarray, moved: np.ndarray, decrement: float) -> float:
    """Armijo's rule along the Newton direction; the full step once the decrease is below what rounding shows."""
    value = float(training_loss(problem, problem.f0 + outputs))
    if decrement <= 1e-12 * value:
        return 1.0
    for length in 2.0 ** -np.arange(40):
        if training_loss(problem, problem.f0 + outputs + length * moved) <= value - 1e-4 * length * decrement:
            return float(length)
    return 0.0
