"""Whether the problem has a minimizer at all: without weight decay, separable data send the outputs to infinity.

At `λ = 0` the logistic and softmax losses have an infimum that no `δ` attains as soon as one `δ` raises some margin and
lowers none [derived]: `y_i A(δ)_i ≥ 0`, or `A(δ)_{i,y_i} ≥ A(δ)_{ij}`, not all zero. The theorems say nothing then.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ntklora.certificates.span import output_basis
from ntklora.problem.losses import CrossEntropy, Logistic
from ntklora.problem.problem import Problem
from ntklora.problem.weighted import unweighted

# Bound of the coordinates in the linear program; a separation that needs more is below what its rounding can see.
_BOX = 1e4


def has_minimizer(problem: Problem) -> bool:
    """Whether `min_δ F(δ)` is attained (the perturbation has no part in F).

    Always for `λ > 0` and for the squared loss. Otherwise by the linear program `max Σ s`, `0 ≤ s ≤ 1`, `margins ≥ s`,
    whose value is zero, or at least one where a separation exists.

    >>> import ntklora as nl
    >>> op = nl.TangentOperator.from_dense(np.array([1.0, 2.0]).reshape(2, 1, 1, 1))
    >>> [has_minimizer(nl.Problem(op, np.zeros(2), np.array(y), "logistic", 0.0)) for y in ([1.0, 1.0], [1.0, -1.0])]
    [False, True]
    """
    problem = unweighted(problem)
    if problem.lam > 0 or not isinstance(problem.loss, Logistic | CrossEntropy):
        return True
    margins = _margins(problem.host())
    count, size = margins.shape
    # Variables: coordinates c of the outputs in range A, then the slacks s.
    found = linprog(
        np.concatenate([np.zeros(size), -np.ones(count)]),
        A_ub=np.hstack([-margins, np.eye(count)]),
        b_ub=np.zeros(count),
        bounds=[(-_BOX, _BOX)] * size + [(0.0, 1.0)] * count,
    )
    assert found.status == 0, found.message
    return bool(-found.fun < 0.5)


def _margins(problem: Problem) -> np.ndarray:
    """The map from coordinates of `range A` to the margins that a minimizer would have to balance, `(·, d)`."""
    n, k = problem.num_samples, problem.num_outputs
    basis = output_basis(problem).reshape(n, k, -1)
    if isinstance(problem.loss, Logistic):
        return np.asarray(problem.y)[:, None] * basis[:, 0]
    own = np.asarray(problem.y)
    gaps = basis[np.arange(n), own][:, None] - basis
    return gaps[np.arange(k) != own[:, None]]
