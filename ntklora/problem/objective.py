"""Values and first derivatives of the problem, in the notation of theory §1 and §2.

Functions of the factors take `u`, `v` in the user's form: arrays `(m, r)`, `(n, r)`, or dicts of them by name.
NumPy in, NumPy out; JAX in, JAX out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.arrays import namespace
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block, Factored, Transposed

Array = Any
Matrices = dict[str, Any]


def training_loss(problem: Problem, z: Array) -> Array:
    """`L = (1/N) Σ_i ℓ(z_i, y_i)` of the outputs `z (N, K)`."""
    return problem.loss.value(z, problem.y).mean()


def nuclear_norm(problem: Problem, delta: Array | Matrices) -> Array:
    """`‖δ‖_* = Σ_l ‖δ^l‖_*`.

    >>> import ntklora as nl
    >>> float(nuclear_norm(nl.matrix_factorization(np.eye(2)), np.diag([3.0, 4.0])))
    7.0
    """
    deltas = problem.op.as_dict(delta)
    return sum(namespace(d).linalg.svd(d, compute_uv=False).sum() for d in deltas.values())


def full_objective(problem: Problem, delta: Array | Matrices) -> Array:
    """`F(δ) = L(δ) + λ‖δ‖_*`, the objective of full fine-tuning (the perturbation has no part in it)."""
    z = problem.f0 + problem.op.apply(delta)
    return training_loss(problem, z) + problem.lam * nuclear_norm(problem, delta)


def objective(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> Array:
    """`F(u, v) = L(u vᵀ) + (λ/2)(‖u‖² + ‖v‖²) + <P, Q Qᵀ>` with `Q = [u; v]` [paper, JLR].

    >>> import ntklora as nl
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> root = np.diag([2.0, 1.0]) ** 0.5
    >>> round(float(objective(problem, root, root)), 9)
    4.0
    """
    z = problem.f0 + problem.op.apply_factors(u, v)
    return training_loss(problem, z) + factor_penalty(problem, u, v)


def factor_penalty(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> Array:
    """`(λ/2)(‖u‖² + ‖v‖²) + <P, Q Qᵀ>`: what of F_P(u, v) does not see the data."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    value = 0.5 * problem.lam * sum((us[name] ** 2).sum() + (vs[name] ** 2).sum() for name in us)
    for name, matrix in (problem.perturbation or {}).items():
        q = stack(us[name], vs[name])
        value = value + (q * (matrix @ q)).sum()
    return value


def dual_vector(problem: Problem, z: Array) -> Array:
    """`α_i = ∇ℓ(z_i, y_i)`, shape `(N, K)`."""
    return problem.loss.gradient(z, problem.y)


def gradient_matrices(problem: Problem, alpha: Array) -> Matrices:
    """`Γ^l = (1/N) Σ_ij α_ij G^l_ij`, the gradient of `L` in each weight, by name."""
    return {name: block.adjoint(alpha) / problem.num_samples for name, block in problem.op.blocks.items()}


def factor_gradients(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> tuple[Matrices, Matrices]:
    """`∇F_P = 2 S Q` as `(∂F/∂u, ∂F/∂v)` by name: `(Γ v + λu + 2(PQ)_u, Γᵀ u + λv + 2(PQ)_v)`."""
    return objective_and_gradients(problem, u, v)[1]


def objective_and_gradients(
    problem: Problem, u: Array | Matrices, v: Array | Matrices
) -> tuple[Array, tuple[Matrices, Matrices]]:
    """`objective` and `factor_gradients`, from outputs computed once."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    z = problem.f0 + problem.op.apply_factors(us, vs)
    gammas = gradient_matrices(problem, dual_vector(problem, z))
    left, right = {}, {}
    for name, gamma in gammas.items():
        left[name] = gamma @ vs[name] + problem.lam * us[name]
        right[name] = gamma.T @ us[name] + problem.lam * vs[name]
        if problem.perturbation is not None:
            push = 2 * problem.perturbation[name] @ stack(us[name], vs[name])
            left[name], right[name] = left[name] + push[: len(us[name])], right[name] + push[len(us[name]) :]
    return training_loss(problem, z) + factor_penalty(problem, us, vs), (left, right)


def kkt_matrices(problem: Problem, gammas: Matrices) -> Matrices:
    """`S = (λ/2) I + P + ½ [[0, Γ], [Γᵀ, 0]]` for each weight: `∇F_P = 2SQ`, and `S ⪰ 0` is optimality [paper]."""
    result = {}
    for name, gamma in gammas.items():
        xp, (m, n) = namespace(gamma), gamma.shape
        corner = xp.concatenate(
            [
                xp.concatenate([xp.zeros((m, m), gamma.dtype), gamma], 1),
                xp.concatenate([gamma.T, xp.zeros((n, n), gamma.dtype)], 1),
            ]
        )
        s = 0.5 * (problem.lam * xp.eye(m + n, dtype=gamma.dtype) + corner)
        result[name] = s if problem.perturbation is None else s + problem.perturbation[name]
    return result


def lowest_kkt_eigenvalue(problem: Problem, gammas: Matrices) -> float:
    """The smallest eigenvalue of `2S` over the weights, on the host: `λ − ‖Γ‖_op` where there is no perturbation."""
    if problem.perturbation is not None:
        return 2 * float(min(np.linalg.eigvalsh(s)[0] for s in kkt_matrices(problem, gammas).values()))
    return float(problem.lam) - max(_top_singular_value(gamma) for gamma in gammas.values())


def lam_max(problem: Problem) -> float:
    """`λ_max = max_l ‖Γ^l(0)‖_op`: `δ = 0` is optimal exactly for `λ ≥ λ_max` (at `P = 0`) [paper].

    >>> import ntklora as nl
    >>> round(float(lam_max(nl.matrix_factorization(np.diag([3.0, 2.0])))), 9)
    3.0
    """
    host = problem.host()
    return largest_slope(host, dual_vector(host, host.f0))


def largest_slope(problem: Problem, alpha: np.ndarray) -> float:
    """`max_l ‖Γ^l‖_op` of `Γ = A*(α)/N`, on the host."""
    return max(_slope(block, alpha) for block in problem.op.blocks.values()) / problem.num_samples


def _slope(block: Block, alpha: np.ndarray) -> float:
    """`‖Σ_ij α_ij G_ij‖_op` of one weight.

    Factored features have it as `B Aᵀ`, and `‖B Aᵀ‖ = ‖R_b R_aᵀ‖` with the triangular factors of `B` and `A`: where
    they have fewer columns than the weight has rows and columns, nothing of the weight's own size is formed.
    """
    match block:
        case Transposed():
            return _slope(block.of, alpha)
        case Factored() if block.num_samples * block.num_positions < min(block.shape):
            signals = np.einsum("ik,iktm->itm", alpha, block.b)
            left, right = (np.asarray(np.linalg.qr(x.reshape(-1, x.shape[-1]).T, mode="r")) for x in (signals, block.a))
            return _top_singular_value(left @ right.T)
        case _:
            return _top_singular_value(block.adjoint(alpha))


def _top_singular_value(gamma: np.ndarray) -> float:
    """`‖Γ‖_op` through the Gram matrix of the smaller side, a fifth of an SVD; squaring costs the largest no digits."""
    gram = gamma.T @ gamma if gamma.shape[0] >= gamma.shape[1] else gamma @ gamma.T
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(gram)[-1])))


def balanced_factors(delta: Array, rank: int | None = None) -> tuple[Array, Array]:
    """`u = U√S, v = V√S` from the SVD of `δ`: the factors at which `(‖u‖² + ‖v‖²)/2 = ‖δ‖_*` [paper]."""
    xp = namespace(delta)
    left, values, right = xp.linalg.svd(delta, full_matrices=False)
    root = xp.sqrt(values)[:rank]
    return left[:, :rank] * root, right[:rank].T * root


def balanced_product(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The balanced factors of `u vᵀ`, through the triangular factors of both: nothing of its size is decomposed."""
    (left, above), (right, beside) = np.linalg.qr(u), np.linalg.qr(v)
    core_u, core_v = balanced_factors(above @ beside.T)
    return left @ core_u, right @ core_v


def merge_factors(u: Array | Matrices, v: Array | Matrices) -> Array | Matrices:
    """`δ = u vᵀ`, weight by weight, in the form of the factors.

    >>> merge_factors({"w": np.ones((2, 1))}, {"w": np.array([[1.0], [2.0]])})["w"].tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """
    if isinstance(u, dict):
        return {name: x @ v[name].T for name, x in u.items()}
    assert not isinstance(v, dict)
    return u @ v.T


def stack(u: Array, v: Array) -> Array:
    """`Q = [u; v]`, shape `(m + n, r)`."""
    return namespace(u, v).concatenate([u, v])
