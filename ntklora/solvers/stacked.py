"""Weights of one form side by side: what a step of a solver does for each of them becomes one operation for all.

A network has many weights of few forms. Apart, a step takes some seventy small operations for each, and starting one
takes XLA as long as computing it; stacked, they are as many as for one weight, on arrays with one more axis in front.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np

from ntklora.module import Module
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block, TwoSided

Array = Any
Matrices = dict[str, Any]
Groups = list[list[str]]

# Entries of features that are copied without a thought, 128 MB. Beyond, one operation for all weights would also hold
# the intermediate arrays of all of them at once, where they are long enough to fill a core each.
_MOST = 2**24


class Stacked(Module):
    """The features of `L` weights of one form: `of` is a block whose arrays have the weights as their first axis."""

    of: Block

    @property
    def shape(self) -> tuple[int, ...]:
        """`(L, m, n)`."""
        return (jax.tree.leaves(self.of)[0].shape[0], *self._one.shape)

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self._one.num_samples

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self._one.num_outputs

    def apply(self, delta: Array) -> Array:
        """`Σ_l <G^l_ij, δ^l>`: `(L, m, n) -> (N, K)`."""
        return total(jax.vmap(lambda block, d: block.apply(d))(self.of, delta))

    def apply_factors(self, u: Array, v: Array) -> Array:
        """`Σ_l <G^l_ij, u^l v^lᵀ>`: `(L, m, r), (L, n, r) -> (N, K)`."""
        return total(jax.vmap(lambda block, x, y: block.apply_factors(x, y))(self.of, u, v))

    def adjoint(self, alpha: Array) -> Array:
        """`Σ_ij α_ij G^l_ij`: `(N, K) -> (L, m, n)`."""
        return jax.vmap(lambda block: block.adjoint(alpha))(self.of)

    @property
    def _one(self) -> Block:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.of)


def total(each: Array) -> Array:
    """The sum over the weights, the first axis.

    Term by term: as a reduction XLA fuses it with the product before it, which then takes five times as long.
    """
    return sum(each)


def stack_alike(problem: Problem) -> tuple[Problem, Groups]:
    """The problem with its weights of one form stacked, and the names in each group, which goes by the first of them.

    For a problem on the host. A weight with a perturbation, or one that is met both ways, stays alone, and so do those
    of large features.
    """
    forms: dict[Any, list[str]] = {}
    for name, block in problem.op.blocks.items():
        alone = name if problem.perturbation is not None or isinstance(block, TwoSided) else None
        leaves, structure = jax.tree.flatten(block)
        forms.setdefault((alone, structure, *(leaf.shape for leaf in leaves)), []).append(name)
    groups = [group for names in forms.values() for group in _small_enough(problem, names)]
    blocks = {}
    for names in groups:
        alike = [problem.op.blocks[name] for name in names]
        blocks[names[0]] = alike[0] if len(alike) == 1 else Stacked(jax.tree.map(lambda *x: np.stack(x), *alike))
    return eqx.tree_at(lambda p: p.op.blocks, problem, blocks), groups


def _small_enough(problem: Problem, names: list[str]) -> Groups:
    entries = sum(leaf.size for name in names for leaf in jax.tree.leaves(problem.op.blocks[name]))
    return [names] if entries <= _MOST else [[name] for name in names]


def stacked(factors: Matrices, groups: Groups) -> Matrices:
    """Factors of many starts `(S, m, r)` by weight, as `(S, L, m, r)` for a group of several."""
    return {
        names[0]: factors[names[0]] if len(names) == 1 else np.stack([factors[name] for name in names], 1)
        for names in groups
    }


def unstacked(factors: Matrices, groups: Groups) -> Matrices:
    """The inverse of `stacked`."""
    apart: Matrices = {}
    for names in groups:
        together = factors[names[0]]
        apart |= {name: together if len(names) == 1 else together[:, place] for place, name in enumerate(names)}
    return apart
