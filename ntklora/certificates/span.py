"""The space of outputs that the tangent features reach, and its dimension d: the count in every theorem.

    range A = {A(δ)} ⊆ R^{NK},    d = dim range A = dim span{G_ij}

For a loss that does not see a shift common to all logits, the count is that of `G_ij − G_iK` [derived, theory §1].
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block
from ntklora.tangent.reduction import reduce_operator

# Feature entries formed at once: 32 MiB of float64.
_CHUNK = 2**22


def output_basis(problem: Problem) -> np.ndarray:
    """Orthonormal basis `(NK, d)` of `range A`, seen through the loss (cross-entropy: each row centred).

    Singular values of `A` below rounding (`eps · max(shape)` of the largest) count as zero.
    """
    op, _ = reduce_operator(problem.op)
    n, k = op.num_samples, op.num_outputs
    # R with A Aᵀ = R Rᵀ, one slab of columns after the other: forming A Aᵀ itself would lose half of the digits.
    factor, width = np.zeros((n * k, 0)), 0
    for slab in (slab for block in op.blocks.values() for slab in _slabs(block)):
        seen = slab - slab.mean(1, keepdims=True) if problem.loss.shift_invariant else slab
        columns = np.concatenate([factor, seen.reshape(n * k, -1)], 1)
        factor = columns if columns.shape[1] <= n * k else np.asarray(np.linalg.qr(columns.T, mode="r")).T
        width += slab.shape[2]
    vectors, values, _ = np.linalg.svd(factor, full_matrices=False)
    return vectors[:, values > np.finfo(np.float64).eps * max(n * k, width) * values[0]]


def span_dimension(problem: Problem) -> int:
    """`d = dim span{G_ij} ≤ KN`; for softmax cross-entropy that of `G_ij − G_iK`, at most `(K−1)N`.

    >>> import ntklora as nl
    >>> G = np.ones((5, 1, 2, 2)) * np.arange(5.0)[:, None, None, None]
    >>> span_dimension(nl.Problem(nl.TangentOperator.from_dense(G), np.zeros(5), np.ones(5), "squared", 0.1))
    1
    """
    return output_basis(problem).shape[1]


def _slabs(block: Block) -> Iterator[np.ndarray]:
    """`G[:, :, rows, :]` as `(N, K, columns)`, a few rows of the weight at a time."""
    m, n = block.shape
    rows = max(1, _CHUNK // (block.num_samples * block.num_outputs * n))
    for start in range(0, m, rows):
        part = slice(start, start + rows)
        yield block.rows(part).reshape(block.num_samples, block.num_outputs, -1)
