"""`F_P` and the norm of its gradient at many points of one rank, on the host.

One by one, 64 points of a small problem cost two dozen calls of NumPy each, and more time in them than in arithmetic.
Here a call serves all points, or as many as memory is granted for; factored features are never multiplied out.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed

Array = Any
Matrices = dict[str, Any]

# Entries of the largest intermediate array: 32 MiB.
_ENTRIES = 2**22


def values_and_gradient_norms(problem: Problem, us: Matrices, vs: Matrices) -> tuple[np.ndarray, np.ndarray]:
    """`F_P (S,)` and `‖∇F_P‖ (S,)` at the factors `us (S, m, r)`, `vs (S, n, r)` by name.

    For a problem and points on the host.
    """
    count = len(next(iter(us.values())))
    rank = max(x.shape[2] for x in us.values())
    largest = max(_entries(block, rank) for block in problem.op.blocks.values())
    some = max(1, _ENTRIES // largest)
    parts = [
        _some_values_and_norms(problem, *({k: x[begin : begin + some] for k, x in side.items()} for side in (us, vs)))
        for begin in range(0, count, some)
    ]
    values, norms = zip(*parts) if parts else ((np.zeros(0),), (np.zeros(0),))
    return np.concatenate(values), np.concatenate(norms)


def _some_values_and_norms(problem: Problem, us: Matrices, vs: Matrices) -> tuple[np.ndarray, np.ndarray]:
    z = problem.f0 + sum(_outputs(block, us[name], vs[name]) for name, block in problem.op.blocks.items())
    values, alphas = _losses_and_gradients(problem, z)
    squares = np.zeros(len(z))
    for name, block in problem.op.blocks.items():
        q = np.concatenate([us[name], vs[name]], 1)
        push = problem.lam * q
        if problem.perturbation is not None:
            push = push + 2 * problem.perturbation[name] @ q
        values += 0.5 * (q * push).sum((1, 2))
        squares += ((np.concatenate(_pulled(block, alphas, us[name], vs[name]), 1) + push) ** 2).sum((1, 2))
    return values, np.sqrt(squares)


def _losses_and_gradients(problem: Problem, z: Array) -> tuple[Array, Array]:
    """`L (S,)` and `∇ℓ/N (S, N, K)` of the outputs `z (S, N, K)`."""
    loss, (count, n, outputs) = problem.loss, z.shape
    if jax.tree.leaves(loss):  # arrays of its own may belong to the samples: such a loss meets them as they are
        values = np.array([loss.value(each, problem.y).mean() for each in z])
        return values, np.stack([loss.gradient(each, problem.y) for each in z]) / n
    # Any other acts sample by sample: the outputs of the points are those of so many more samples.
    flat, targets = z.reshape(-1, outputs), np.concatenate([problem.y] * count)
    return loss.value(flat, targets).reshape(count, n).mean(1), loss.gradient(flat, targets).reshape(z.shape) / n


def _entries(block: Block, rank: int) -> int:
    """Of the largest array that one point asks of a weight."""
    match block:
        case Dense():
            return max(block.shape[0] * block.shape[1], block.num_samples * block.num_outputs)
        case Factored():
            return max(block.num_samples * block.num_outputs * block.num_positions, sum(block.shape)) * rank
        case Transposed():
            return _entries(block.of, rank)
    return max(_entries(block.upright, rank), _entries(block.flipped, rank))


def _outputs(block: Block, us: Array, vs: Array) -> Array:
    """`<G_ij, u vᵀ>`: `(S, m, r), (S, n, r) -> (S, N, K)`."""
    match block:
        case Dense():
            return (_flat(us @ vs.swapaxes(1, 2)) @ _rows(block).T).reshape(-1, *block.g.shape[:2])
        case Factored():
            return np.einsum("siktr,sitr->sik", _met(block.b, us), _met(block.a, vs))
        case Transposed():
            return _outputs(block.of, vs, us)
    return _outputs(block.upright, us, vs) + _outputs(block.flipped, us, vs)


def _pulled(block: Block, alphas: Array, us: Array, vs: Array) -> tuple[Array, Array]:
    """`(A*(α) v, A*(α)ᵀ u)` for `α (S, N, K)`: `(S, m, r)` and `(S, n, r)`."""
    match block:
        case Dense():
            matrices = (_flat(alphas) @ _rows(block)).reshape(-1, *block.shape)
            return matrices @ vs, matrices.swapaxes(1, 2) @ us
        case Factored():
            count, rank = len(us), us.shape[2]
            along_v = alphas[..., None, None] * _met(block.a, vs)[:, :, None]
            along_u = np.einsum("sik,siktr->sitr", alphas, _met(block.b, us))
            left, right = (x.reshape(-1, x.shape[-1]).T for x in (block.b, block.a))
            return left @ along_v.reshape(count, -1, rank), right @ along_u.reshape(count, -1, rank)
        case Transposed():
            right, left = _pulled(block.of, alphas, vs, us)
            return left, right
    upright, flipped = (_pulled(part, alphas, us, vs) for part in (block.upright, block.flipped))
    return upright[0] + flipped[0], upright[1] + flipped[1]


def _met(vectors: Array, factors: Array) -> Array:
    """Inner products of the vectors `(..., m)` with the columns of the factors `(S, m, r)`: `(S, ..., r)`."""
    return (vectors.reshape(-1, vectors.shape[-1]) @ factors).reshape(-1, *vectors.shape[:-1], factors.shape[2])


def _rows(block: Dense) -> Array:
    """`G` as a matrix `(NK, mn)`."""
    return block.g.reshape(block.num_samples * block.num_outputs, -1)


def _flat(matrices: Array) -> Array:
    return matrices.reshape(len(matrices), -1)
