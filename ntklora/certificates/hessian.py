"""The Hessian of F_P as a diagonal plus a matrix of few rows, with the gauge directions beside it.

Along `D = (dQ^l)_l` the second derivative of F_P is [paper, JLR; theory §2.2]

    2 <S, D Dᵀ> + (1/N) Σ_i J_i(D)ᵀ ∇²ℓ_i J_i(D),      J_ij(D) = <G_ij, du vᵀ + u dvᵀ>.

In the eigenbasis of `2S^l`, with `∇²ℓ_i/N = W_i W_iᵀ`, this is `diag(d) + JᵀJ` with `J` of `min(NK, dim)` rows.
Rotations `Q -> Q O` leave F_P alone (at `λ = 0`, `P = 0`: `(u M, v M^{-ᵀ})`), so their tangents `B` are no directions
of the landscape. What matters is the *projected* Hessian `H_⟂ = Zᵀ H Z` with `Z` spanning the complement of `B`.

Haynsworth: for `μ` off the part of `d` that is eliminated, the number of eigenvalues of `H_⟂` below `μ` follows from
the inertia of one matrix of about `NK + r²` rows, and a shifted system is solved with the same matrix. The gauge modes
are never thresholded: they are not in the count.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices, stack
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

# Pivots |d − μ| below this share of max |d| stay in the small matrix: eliminating them would cost their digits.
_PIVOT = 1e-2
# Columns of Q (after rotation) below this share of the largest are zero columns, as padding leaves them.
_ZERO_COLUMN = 1e-13
# At λ = 0, P = 0 generators of the gauge group whose tangents are this dependent count once.
_DEPENDENT = 1e-10


class BlockFrame(NamedTuple):
    """Coordinates of one weight: eigenvectors of `2S (p, p)`, and the rotation of the columns of `Q` to principal ones.

    `rotation (r, r)`: the first `rank` columns of `Q @ rotation` are orthogonal, the others vanish.
    """

    name: str
    fan_out: int
    vectors: np.ndarray
    rotation: np.ndarray
    rank: int


class FreeModes(NamedTuple):
    """Eigenpairs of `2S` across the range of `Q`, one copy for each zero column: they are decoupled from the rest."""

    name: str
    values: np.ndarray
    vectors: np.ndarray
    copies: int


class Hessian(NamedTuple):
    """`H = diag(d) + JᵀJ` on the non-zero columns in the coordinates of `frames`, `free` modes on the zero columns.

    `diagonal (D,)`, `rows (M, D)`, `gauge (D, k)` orthonormal, `scale = ‖2S‖ + ‖J‖²`, at least `‖H‖`.
    """

    diagonal: np.ndarray
    rows: np.ndarray
    gauge: np.ndarray
    frames: tuple[BlockFrame, ...]
    free: tuple[FreeModes, ...]
    scale: float


def hessian(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> Hessian:
    """The structured Hessian of F_P at `(u, v)`, for a problem and a point on the host."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    z = problem.f0 + problem.op.apply_factors(u, v)
    gammas = gradient_matrices(problem, dual_vector(problem, z))
    kkt = kkt_matrices(problem, gammas)
    largest = max(float(np.linalg.norm(stack(us[name], vs[name]), 2)) for name in us)
    root = problem.loss.hessian_factor(z, problem.y) / np.sqrt(problem.num_samples)
    linear_gauge = problem.lam == 0 and problem.perturbation is None
    diagonals, rows, gauges, frames, free, sizes = [], [], [], [], [], []
    for name, block in problem.op.blocks.items():
        q = stack(us[name], vs[name])
        rotation, rank = _principal_rotation(q, largest)
        q = (q @ rotation)[:, :rank]
        values, vectors = _eigenpairs(problem, gammas[name], kkt[name])
        sizes.append(np.abs(values).max())
        frames.append(BlockFrame(name, block.shape[0], vectors, rotation, rank))
        if rank < rotation.shape[1]:
            free.append(_free_modes(name, 2 * kkt[name], q, rotation.shape[1] - rank))
        if rank:
            slopes = _slopes(block, q, root)
            rows.append(_rotated(slopes, vectors))
            diagonals.append(np.repeat(values, rank))
            tangents = _linear_gauge(q, block.shape[0]) if linear_gauge else _orthogonal_gauge(q)
            gauges.append(_rotated(tangents, vectors).T)
    diagonal = np.concatenate([np.zeros(0), *diagonals])
    stacked = np.concatenate([np.zeros((len(root) * root.shape[2], 0)), *rows], 1)
    if 0 < stacked.shape[1] < len(stacked):
        stacked = np.asarray(np.linalg.qr(stacked, mode="r"))
    stretch = np.linalg.eigvalsh(stacked @ stacked.T)[-1] if stacked.size else 0.0
    gauge = _side_by_side(gauges)
    return Hessian(diagonal, stacked, gauge, tuple(frames), tuple(free), float(stretch + max(sizes)))


def count_below(h: Hessian, mu: float) -> int:
    """Number of eigenvalues of the projected Hessian `H_⟂` below `μ` (gauge modes excluded, zero columns included)."""
    free = sum(mode.copies * int((mode.values < mu).sum()) for mode in h.free)
    if not h.diagonal.size:
        return free
    matrix, kept, scaling = _schur(h, mu)
    negative = int((np.linalg.eigvalsh(matrix * np.outer(scaling, scaling)) < 0).sum())
    eliminated = int((h.diagonal[~kept] < mu).sum())
    return free + eliminated + negative - len(h.rows) - h.gauge.shape[1]


def solve_shifted(h: Hessian, mu: float, right: np.ndarray, cutoff: float = 0.0) -> np.ndarray:
    """`x ⟂ B` with `Zᵀ(H − μ)x = Zᵀ right`, on the non-zero columns; `right (D,)` or `(D, c)`.

    Directions of the small matrix below `cutoff` of its largest are left alone (a pseudo-inverse).
    """
    matrix, kept, scaling = _schur(h, mu)
    b = right[:, None] if right.ndim == 1 else right
    pivot = (h.diagonal[~kept] - mu)[:, None]
    eliminated = b[~kept] / pivot
    side = np.concatenate([b[kept], -h.rows[:, ~kept] @ eliminated, -h.gauge[~kept].T @ eliminated])
    values, vectors = np.linalg.eigh(matrix * np.outer(scaling, scaling))
    floor = max(cutoff, np.finfo(np.float64).tiny) * np.abs(values).max()
    inverse = np.where(np.abs(values) > floor, 1.0 / np.where(np.abs(values) > floor, values, 1.0), 0.0)
    small = scaling[:, None] * (vectors @ (inverse[:, None] * (vectors.T @ (scaling[:, None] * side))))
    count = int(kept.sum())
    middle, border = small[count : count + len(h.rows)], small[count + len(h.rows) :]
    x = np.empty_like(b)
    x[kept] = small[:count]
    x[~kept] = eliminated - (h.rows[:, ~kept].T @ middle + h.gauge[~kept] @ border) / pivot
    x -= h.gauge @ (h.gauge.T @ x)
    return x[:, 0] if right.ndim == 1 else x


def multiply(h: Hessian, x: np.ndarray) -> np.ndarray:
    """`H x` on the non-zero columns, gauge directions included."""
    weights = h.diagonal if x.ndim == 1 else h.diagonal[:, None]
    return weights * x + h.rows.T @ (h.rows @ x)


def to_coordinates(h: Hessian, us: Matrices, vs: Matrices) -> np.ndarray:
    """Directions or gradients by name as the vector `(D,)` of their part on the non-zero columns."""
    parts = [
        (f.vectors.T @ stack(us[f.name], vs[f.name]) @ f.rotation[:, : f.rank]).ravel() for f in h.frames if f.rank
    ]
    return np.concatenate([np.zeros(0), *parts])


def to_factors(h: Hessian, x: np.ndarray) -> tuple[Matrices, Matrices]:
    """The direction `(du, dv)` by name of the vector `x (D,)`."""
    left, right, start = {}, {}, 0
    for f in h.frames:
        size = len(f.vectors) * f.rank
        dq = f.vectors @ x[start : start + size].reshape(len(f.vectors), f.rank) @ f.rotation[:, : f.rank].T
        left[f.name], right[f.name] = dq[: f.fan_out], dq[f.fan_out :]
        start += size
    return left, right


def _schur(h: Hessian, mu: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left of the bordered system after eliminating the well-conditioned pivots, which are kept, and a scaling.

        [ diag(d_E − μ)   J_Eᵀ                          B_E                        ]
        [ J_E            −I − J_R (d_R − μ)^{-1} J_Rᵀ   −J_R (d_R − μ)^{-1} B_R     ]
        [ B_Eᵀ            ·                             −B_Rᵀ (d_R − μ)^{-1} B_R    ]

    Its inertia and that of `d_R − μ` add up to the inertia of `H_⟂ − μ` plus `(k, M + k)` positive and negative ones.
    The scaling of the second block row keeps a small `λ` from drowning the first in rounding.
    """
    distance = np.abs(h.diagonal - mu)
    kept = distance <= _PIVOT * max(np.abs(h.diagonal).max(), abs(mu))
    outer = np.concatenate([h.rows[:, ~kept], h.gauge[~kept].T])
    inner = np.concatenate([h.rows[:, kept], h.gauge[kept].T])
    corner = -(outer / (h.diagonal[~kept] - mu)) @ outer.T
    m = len(h.rows)
    corner[np.arange(m), np.arange(m)] -= 1.0
    pivots = h.diagonal[kept] - mu
    count = len(pivots)
    matrix = np.zeros((count + len(corner), count + len(corner)))
    matrix[np.arange(count), np.arange(count)] = pivots
    matrix[count:, :count], matrix[:count, count:], matrix[count:, count:] = inner, inner.T, corner
    scaling = np.ones(len(matrix))
    rows = slice(count, count + m)
    scaling[rows] = 1.0 / np.sqrt(np.maximum(1.0, np.abs(corner[:m, :m]).max(1)))
    return matrix, kept, scaling


def _eigenpairs(problem: Problem, gamma: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of `2S`. Without perturbation `λ ± σ_i` on `[x_i; ±y_i]/√2` from the SVD of `Γ`, in half the time of `eigh`."""
    if problem.perturbation is not None:
        return np.linalg.eigh(2 * s)
    (m, n), k = gamma.shape, min(gamma.shape)
    left, sigma, right = np.linalg.svd(gamma)
    vectors = np.zeros((m + n, m + n))
    vectors[:m, :k] = vectors[:m, k : 2 * k] = left[:, :k] / np.sqrt(2)
    vectors[m:, k : 2 * k] = right[:k].T / np.sqrt(2)
    vectors[m:, :k] = -vectors[m:, k : 2 * k]
    vectors[:m, 2 * k : m + k] = left[:, k:]
    vectors[m:, m + k :] = right[k:].T
    values = problem.lam + np.concatenate([-sigma, sigma, np.zeros(m + n - 2 * k)])
    return values, vectors


def _rotated(tangents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Directions `(k, p, r)` of one weight in the eigenvectors `(p, p)` of `2S`: `(k, p r)`, as one product."""
    k, p, r = tangents.shape
    turned = tangents.swapaxes(1, 2).reshape(k * r, p) @ vectors
    return turned.reshape(k, r, p).swapaxes(1, 2).reshape(k, p * r)


def _side_by_side(matrices: list[np.ndarray]) -> np.ndarray:
    """The block diagonal matrix of these; SciPy's takes a sixth of a small Hessian's time."""
    whole = np.zeros((sum(len(x) for x in matrices), sum(x.shape[1] for x in matrices)))
    row = column = 0
    for matrix in matrices:
        whole[row : row + len(matrix), column : column + matrix.shape[1]] = matrix
        row, column = row + len(matrix), column + matrix.shape[1]
    return whole


def _principal_rotation(q: np.ndarray, largest: float) -> tuple[np.ndarray, int]:
    _, values, rotation = np.linalg.svd(q, full_matrices=q.shape[0] < q.shape[1])
    return rotation.T, int((values > _ZERO_COLUMN * largest).sum()) if largest > 0 else 0


def _free_modes(name: str, twice_s: np.ndarray, q: np.ndarray, copies: int) -> FreeModes:
    across = scipy.linalg.null_space(q.T) if q.shape[1] else np.eye(len(q))
    values, vectors = np.linalg.eigh(across.T @ twice_s @ across)
    return FreeModes(name, values, across @ vectors, copies)


def _slopes(block: Any, q: np.ndarray, root: np.ndarray) -> np.ndarray:
    """`Wᵀ J` as `(NK, p, r)`: row `(i, j)` of a block's first-order effect on the outputs, weighted by the loss."""
    u, v = q[: block.shape[0]], q[block.shape[0] :]
    slopes = np.concatenate([block.times_v(v), block.times_u(u)], 2)
    return np.einsum("ijk,ijpr->ikpr", root, slopes).reshape(-1, *slopes.shape[2:])


def _orthogonal_gauge(q: np.ndarray) -> np.ndarray:
    """Orthonormal tangents `Q Ω`, Ω skew, as `(k, p, r)`: one for each pair of columns, which are orthogonal."""
    p, r = q.shape
    pairs = [(a, b) for a in range(r) for b in range(a + 1, r)]
    tangents = np.zeros((len(pairs), p, r))
    for k, (a, b) in enumerate(pairs):
        length = np.hypot(np.linalg.norm(q[:, a]), np.linalg.norm(q[:, b]))
        tangents[k, :, b], tangents[k, :, a] = q[:, a] / length, -q[:, b] / length
    return tangents


def _linear_gauge(q: np.ndarray, fan_out: int) -> np.ndarray:
    """Orthonormal basis of the tangents `(u M, −v Mᵀ)`, `M (r, r)`, as `(k, p, r)`; `k = r²` when both have rank r."""
    p, r = q.shape
    u, v = q[:fan_out], q[fan_out:]
    generators = np.zeros((r, r, p, r))
    for a in range(r):
        for b in range(r):
            generators[a, b, :fan_out, b] = u[:, a]
            generators[a, b, fan_out:, a] -= v[:, b]
    basis, values, _ = np.linalg.svd(generators.reshape(r * r, -1).T, full_matrices=False)
    chosen = values > _DEPENDENT * values[0]
    return basis[:, chosen].T.reshape(int(chosen.sum()), p, r)
