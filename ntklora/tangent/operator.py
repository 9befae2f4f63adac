"""The tangent operator: what a linearized network does to a change of its weights.

    A(δ)_ij = Σ_l <G^l_ij, δ^l>          A*(α) = (Σ_ij α_ij G^l_ij)_l

summed over the adapted weight matrices `l`. The first-order model is `f(x_i) ≈ f0_i + A(δ)_i`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import equinox as eqx
import numpy as np

from ntklora.arrays import as_array
from ntklora.module import Module
from ntklora.tangent.blocks import Block, Dense, Factored
from ntklora.tangent.folding import Fold

Array = Any
Matrices = dict[str, Any]

BARE = "w"  # the internal name of the one matrix of an operator whose delta is a plain array


class Layout(StrEnum):
    """How the features of one weight are stored."""

    factored = "factored"
    dense = "dense"


class TangentOperator(Module):
    """The linear map `A: δ -> (N, K)` and its adjoint, one block of tangent features for each adapted weight.

    `delta` is an array `(m, n)` when there is one target (`bare`), else a dict `{name: (m, n)}`.
    `reasons` says, for each dense block, why it is not factored (empty where dense was asked for); `folds` how each
    leaf of the network is read as a matrix (empty where the features came as arrays).
    """

    blocks: dict[str, Block]
    bare: bool = eqx.field(static=True, default=False)
    reasons: tuple[tuple[str, str], ...] = eqx.field(static=True, default=())
    folds: tuple[tuple[str, Fold], ...] = eqx.field(static=True, default=())

    @classmethod
    def from_dense(cls, g: Array | Matrices) -> TangentOperator:
        """From features `G (N, K, m, n)`, or a dict of them by name.

        Errors: `ValueError` for another number of axes, no entries, or blocks that disagree on `(N, K)`.
        """
        named, bare = (g, False) if isinstance(g, dict) else ({BARE: g}, True)
        blocks: dict[str, Block] = {}
        for name, value in named.items():
            array = _floating(as_array(value))
            if array.ndim != 4:
                raise ValueError(
                    f"features {name!r} have shape {array.shape}; expected (N, K, m, n): "
                    "samples, outputs, fan_out, fan_in (for one output insert an axis: G[:, None])"
                )
            blocks[name] = Dense(array)
        return cls(_consistent(blocks), bare)

    @classmethod
    def from_factors(cls, a: Array | Matrices, b: Array | Matrices) -> TangentOperator:
        """From inputs `a (N, T, n)` and signals `b (N, K, T, m)` (`G_ij = Σ_t b_ijt a_itᵀ`), or dicts of them by name.

        Errors: `ValueError` for shapes that do not belong together, or dicts with different names.
        """
        if isinstance(a, dict) != isinstance(b, dict):
            raise ValueError("factors a and b must both be arrays or both be dicts by name")
        named_a, named_b, bare = (a, b, False) if isinstance(a, dict) else ({BARE: a}, {BARE: b}, True)
        if set(named_a) != set(named_b):
            raise ValueError(f"factors a and b name different matrices: {sorted(named_a)} and {sorted(named_b)}")
        blocks: dict[str, Block] = {}
        for name in named_a:
            left, right = _floating(as_array(named_b[name])), _floating(as_array(named_a[name]))
            if right.ndim != 3 or left.ndim != 4 or (left.shape[0], left.shape[2]) != right.shape[:2]:
                raise ValueError(
                    f"factors {name!r} have shapes a {right.shape}, b {left.shape}; "
                    "expected a (N, T, n) and b (N, K, T, m) with the same N and T"
                )
            blocks[name] = Factored(right, left)
        return cls(_consistent(blocks), bare)

    @property
    def num_samples(self) -> int:
        """`N`."""
        return next(iter(self.blocks.values())).num_samples

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return next(iter(self.blocks.values())).num_outputs

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """`(m, n)` of each weight."""
        return {name: block.shape for name, block in self.blocks.items()}

    @property
    def layout(self) -> dict[str, Layout]:
        """For each weight, whether its features are factored or dense."""
        return {
            name: Layout.dense if isinstance(block, Dense) else Layout.factored for name, block in self.blocks.items()
        }

    def as_dict(self, delta: Array | Matrices) -> Matrices:
        """The user's form (an array, or a dict by name) as a dict by name.

        Errors: `ValueError` when names are missing or unknown.
        """
        if self.bare and not isinstance(delta, dict):
            return {next(iter(self.blocks)): as_array(delta)}
        if not isinstance(delta, dict) or set(delta) != set(self.blocks):
            came = sorted(delta) if isinstance(delta, dict) else f"a single {type(delta).__name__}"
            raise ValueError(f"expected a dict with the keys {sorted(self.blocks)}, got {came}")
        return {name: as_array(delta[name]) for name in self.blocks}

    def as_deltas(self, delta: Array | Matrices) -> Matrices:
        """`as_dict` of a change of the weights. Errors: `ValueError` for names or shapes that do not fit."""
        deltas = self.as_dict(delta)
        for name, shape in self.shapes.items():
            if deltas[name].shape != shape:
                raise ValueError(f"delta {name!r} has shape {deltas[name].shape}; the features say (m, n) = {shape}")
        return deltas

    def like(self, deltas: Matrices) -> Array | Matrices:
        """A dict by name in the user's form: the array itself when the operator has one bare matrix."""
        return next(iter(deltas.values())) if self.bare else deltas

    def apply(self, delta: Array | Matrices) -> Array:
        """`A(δ)_ij = Σ_l <G^l_ij, δ^l>`, shape `(N, K)`."""
        deltas = self.as_deltas(delta)
        return sum(block.apply(deltas[name]) for name, block in self.blocks.items())

    def apply_factors(self, u: Array | Matrices, v: Array | Matrices) -> Array:
        """`A(u vᵀ)`, shape `(N, K)`, without forming `u vᵀ` where the features are factored."""
        us, vs = self.as_dict(u), self.as_dict(v)
        for name, (m, n) in self.shapes.items():
            if us[name].ndim != 2 or (us[name].shape[0], vs[name].shape) != (m, (n, us[name].shape[1])):
                raise ValueError(
                    f"factors of {name!r} have shapes u {us[name].shape}, v {vs[name].shape}; "
                    f"expected ({m}, r) and ({n}, r)"
                )
        return sum(block.apply_factors(us[name], vs[name]) for name, block in self.blocks.items())

    def adjoint(self, alpha: Array) -> Array | Matrices:
        """`A*(α) = Σ_ij α_ij G_ij`, in the form of `delta` (no factor 1/N)."""
        return self.like({name: block.adjoint(alpha) for name, block in self.blocks.items()})

    def gram(self) -> Array:
        """The kernel `<G_ij, G_kl>` summed over the weights, `(N, N, K, K)` in the order `(i, k, j, l)`."""
        return sum(block.gram() for block in self.blocks.values())

    def dense(self) -> Array | Matrices:
        """`G` itself, `(N, K, m, n)` for each weight."""
        return self.like({name: block.dense() for name, block in self.blocks.items()})

    def take(self, samples: Array) -> TangentOperator:
        """The operator of these samples only."""
        blocks = {name: block.take(samples) for name, block in self.blocks.items()}
        return TangentOperator(blocks, self.bare, self.reasons, self.folds)


def _floating(array: Array) -> Array:
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _consistent(blocks: dict[str, Block]) -> dict[str, Block]:
    if not blocks:
        raise ValueError("a tangent operator needs the features of at least one matrix")
    counts = {name: (block.num_samples, block.num_outputs) for name, block in blocks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"features of different weights disagree on (N, K): {counts}")
    for name, block in blocks.items():
        if 0 in (block.num_samples, block.num_outputs, *block.shape):
            raise ValueError(
                f"features {name!r} are empty: (N, K, m, n) = "
                f"{(block.num_samples, block.num_outputs, *block.shape)}; every axis needs at least one entry"
            )
    return blocks
