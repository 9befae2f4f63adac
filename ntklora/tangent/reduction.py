"""Exact reduction of the tangent operator to the span of what the data excites [derived, theory §1.1].

With orthonormal bases `Q_b (m, m')` of span{b} and `Q_a (n, n')` of span{a}, every feature is
`G_ij = Q_b (Q_bᵀ G_ij Q_a) Q_aᵀ`, so the problem in `(Q_bᵀ u, Q_aᵀ v)` is the same problem, whatever the width:
`m' ≤ min(m, NKT)` and `n' ≤ min(n, NT)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from ntklora.arrays import on_host
from ntklora.tangent.blocks import Block, Dense
from ntklora.tangent.operator import TangentOperator

# Eigenvalues of a Gram matrix have an error of some eps of the largest: above this share of it none is zero.
_SURELY = 1e-10
# Columns for each row that are looked at first: Gaussian ones have singular values within a factor of 3 then.
_FEW = 4


class Bases(NamedTuple):
    """Orthonormal bases of the column and row spaces of one weight's features: `left (m, m')`, `right (n, n')`."""

    left: np.ndarray
    right: np.ndarray


def reduce_operator(op: TangentOperator, *, padded: bool = False) -> tuple[TangentOperator, dict[str, Bases]]:
    """The reduced operator in NumPy float64 and, for each weight, the bases that lift its solutions back.

    Directions whose singular value is below rounding (`eps · max(shape)` of the largest) are dropped; `padded` puts
    zero columns in their place, up to the bounds of `m'` and `n'`: the shapes then depend on nothing but N, K, T, m, n.
    """
    blocks: dict[str, Block] = {}
    bases: dict[str, Bases] = {}
    for name, block in op.blocks.items():
        host = jax.tree.map(on_host, block)
        found = bases[name] = _bases(host, padded)
        # Dense features that span everything stay as they are.
        whole = isinstance(host, Dense) and all(np.array_equal(basis, np.eye(len(basis))) for basis in found)
        blocks[name] = host if whole else host.compress(*found)
    return TangentOperator(blocks, op.bare, op.reasons), bases


def _bases(block: Block, padded: bool) -> Bases:
    """Of the features on the host; dense ones are unfolded, which copies them, only where the first few do not span."""
    if isinstance(block, Dense):
        (m, n), outputs = block.shape, block.num_outputs
        few = -(-_FEW * max(m, n) // (outputs * min(m, n)))
        if few <= block.num_samples:
            square = float(np.linalg.norm(block.g)) ** 2
            if all(_gram_spans(unfolding, square) for unfolding in block.take(slice(few)).unfoldings()):
                return Bases(np.eye(m), np.eye(n))
    left, right = (_basis(unfolding, padded) for unfolding in block.unfoldings())
    return Bases(left, right)


def _basis(columns: np.ndarray, padded: bool) -> np.ndarray:
    """Orthonormal basis of the columns' span, with zero columns up to the most that it can have where `padded`."""
    basis = _orthonormal_basis(columns)
    missing = max(min(columns.shape) - basis.shape[1], 0) if padded else 0
    return np.pad(basis, ((0, 0), (0, missing)))


def _orthonormal_basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns' span; the identity when they span everything; one vector if all vanish."""
    size, count = columns.shape
    if count >= size and _surely_spanning(columns):
        return np.eye(size)
    # An SVD, not an eigendecomposition of the Gram matrix: squaring would lose directions below 1e-8 of the largest.
    core = np.asarray(np.linalg.qr(columns.T, mode="r")).T if count > 2 * size else columns
    vectors, values, _ = np.linalg.svd(core, full_matrices=False)
    rank = int(np.sum(values > np.finfo(np.float64).eps * max(size, count) * values[0])) if values[0] > 0 else 1
    return np.eye(size) if rank == size else vectors[:, :rank]


def _surely_spanning(columns: np.ndarray) -> bool:
    """Whether the singular values lie within a factor 1e5 of each other, by the Gram matrix: ten times faster.

    The first few columns alone often say so.
    """
    square = float(np.linalg.norm(columns)) ** 2
    return _gram_spans(columns[:, : _FEW * len(columns)], square) or _gram_spans(columns, square)


def _gram_spans(columns: np.ndarray, square: float) -> bool:
    """Whether these columns surely span: more of them only raise the smallest eigenvalue of their Gram matrix.

    `square`: the squared Frobenius norm of all columns, which the largest eigenvalue cannot exceed.
    """
    return bool(np.linalg.eigvalsh(columns @ columns.T)[0] > _SURELY * square)
