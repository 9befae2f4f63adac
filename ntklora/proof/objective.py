"""The LoRA objective with squared loss over boxes of factors: value, gradient, Hessian, and the tangents of its gauge.

With Q = [u; v] (m+n, r) and one weight, summed over all samples and outputs,

    F(Q)  = (1/2N) Σ ρ_ij² + (λ/2) ‖Q‖²,      ρ_ij = <G_ij, u vᵀ> − (y_ij − f0_ij)
    ∇F(Q) = 2 S Q,                             2S = λ I + [[0, Γ], [Γᵀ, 0]],   Γ = (1/N) Σ ρ_ij G_ij
    F''(Q)[D, D] = <2S, D Dᵀ> + (1/N) Σ <J_ij, D>²,   J_ij = [G_ij v; G_ijᵀ u]

Matrices `Q` are flattened row by row: `F''` is `2S ⊗ I_r + (1/N) Σ J_ij J_ijᵀ`, of size (m+n) r. Source: theory §1 and
§2.2.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from flint import arb_mat

from ntklora.problem.losses import Squared
from ntklora.problem.problem import Problem
from ntklora.proof.intervals import Ball, BallMatrix, ball, exact


class ExactProblem(NamedTuple):
    """A problem whose data are exactly given float64 numbers: `features[i]` of shape (m, n), `targets[i] = y − f0`."""

    features: tuple[BallMatrix, ...]
    targets: tuple[Ball, ...]
    lam: Ball
    num_samples: int


def exact_problem(problem: Problem) -> ExactProblem:
    """The data of `problem` as exact rationals; `y − f0` is a ball at the working precision.

    Errors: `ValueError` for another loss, several weights, no decay, a perturbation, or features that are not arrays
    of numbers already (`TangentOperator.from_dense`): forming them rounds, and the proof would be of another problem.
    """
    host = problem.host()
    if not isinstance(host.loss, Squared) or host.perturbation is not None or not host.lam > 0:
        raise ValueError(
            f"expected the squared loss, lam > 0 and no perturbation; got {host.loss.name}, lam = {float(host.lam)}, "
            f"{'no perturbation' if host.perturbation is None else 'a perturbation'}"
        )
    if len(host.shapes) != 1 or "factored" in host.op.layout.values():
        raise ValueError(
            f"expected dense features of one weight, got {host.op.layout}: "
            "take TangentOperator.from_dense(op.dense()) of one weight, which is then the problem that is proved about"
        )
    (g,) = (block.dense() for block in host.op.blocks.values())
    targets = [ball(y) - ball(f) for y, f in zip(np.ravel(host.y), np.ravel(host.f0))]
    features = tuple(exact(matrix) for matrix in g.reshape(-1, *g.shape[2:]))
    return ExactProblem(features, tuple(targets), ball(float(host.lam)), host.num_samples)


def value(problem: ExactProblem, q: BallMatrix) -> Ball:
    """`F(Q)`."""
    # Products: Arb's power of a ball around zero is not a number.
    squares = sum(residual * residual for residual in _residuals(problem, q))
    length = sum(entry * entry for entry in q.entries())
    return squares / (2 * problem.num_samples) + problem.lam * length / 2


def gradient(problem: ExactProblem, q: BallMatrix) -> BallMatrix:
    """`∇F(Q) = 2SQ`, of the shape of `Q`."""
    return _twice_kkt(problem, q) * q


def hessian(problem: ExactProblem, q: BallMatrix) -> BallMatrix:
    """`F''(Q)`, `((m+n) r, (m+n) r)`."""
    rows = output_slopes(problem, q)
    curvature = rows.transpose() * rows / problem.num_samples
    twice, r = _twice_kkt(problem, q), q.ncols()
    for row in range(twice.nrows()):
        for column in range(twice.ncols()):
            for k in range(r):
                curvature[row * r + k, column * r + k] += twice[row, column]
    return curvature


def output_slopes(problem: ExactProblem, q: BallMatrix) -> BallMatrix:
    """The derivative of all outputs at `Q`, `(NK, (m+n) r)`: the rows are `J_ij = [G_ij v; G_ijᵀ u]`."""
    m = problem.features[0].nrows()
    u, v = _rows(q, 0, m), _rows(q, m, q.nrows())
    return arb_mat([[*(g * v).entries(), *(g.transpose() * u).entries()] for g in problem.features])


def gauge_tangents(q: BallMatrix) -> BallMatrix:
    """The directions `QΩ`, Ω a basis of the skew matrices, along which F is constant: `((m+n) r, r(r−1)/2)`."""
    rows, r = q.nrows(), q.ncols()
    pairs = list(combinations(range(r), 2))
    tangents = arb_mat(rows * r, len(pairs))
    for place, (k, l) in enumerate(pairs):
        for row in range(rows):
            tangents[row * r + l, place] = q[row, k]
            tangents[row * r + k, place] = -q[row, l]
    return tangents


def _residuals(problem: ExactProblem, q: BallMatrix) -> list[Ball]:
    m = problem.features[0].nrows()
    delta = (_rows(q, 0, m) * _rows(q, m, q.nrows()).transpose()).entries()
    return [
        sum(x * y for x, y in zip(g.entries(), delta)) - target for g, target in zip(problem.features, problem.targets)
    ]


def _twice_kkt(problem: ExactProblem, q: BallMatrix) -> BallMatrix:
    m, n = problem.features[0].nrows(), problem.features[0].ncols()
    gamma = arb_mat(m, n)
    for residual, g in zip(_residuals(problem, q), problem.features):
        gamma += g * residual
    gamma = gamma / problem.num_samples
    twice = arb_mat(m + n, m + n)
    for row in range(m + n):
        twice[row, row] = problem.lam
    for row in range(m):
        for column in range(n):
            twice[row, m + column] = twice[m + column, row] = gamma[row, column]
    return twice


def _rows(matrix: BallMatrix, start: int, stop: int) -> BallMatrix:
    return arb_mat(matrix.tolist()[start:stop])
