"""The shares of parameters whose gradients are written out: products of matrices with one row for each output.

Columns are written some at a time, for all examples, multiplied and forgotten: each gradient is written once, and what
is kept at once is bounded whatever the parameter's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ntklora.ntk.blocks import UNROLLED

HIGHEST = lax.Precision.HIGHEST

# Columns written at once: what is written stays in the processor's caches until it is multiplied.
COLUMNS = 4096

Add = Callable[[Any, Any, Any], Any]


class Gradients(eqx.Module):
    """A parameter's gradients as they are."""

    rows: Float[Array, "*block N K P"]

    def columns(self) -> int:
        """`P`."""
        return self.rows.shape[-1]

    def write(self) -> Float[Array, "N K P"]:
        """One row for each example and output."""
        return self.rows

    def pieces(self) -> tuple[int, Callable[[Any], Gradients]]:
        """Into how many pieces of at most `COLUMNS` columns to cut, and piece number `c`."""
        count, cut = _cut(self.rows, COLUMNS)
        return count, lambda c: Gradients(cut(c))


class Outer(eqx.Module):
    """Gradients `Σ_t signal_t inputᵀ_t`, a matrix of `M × Q` entries each."""

    signal: Float[Array, "*block N K T M"]
    input: Float[Array, "*block N T Q"]

    def columns(self) -> int:
        """`M·Q`."""
        return self.signal.shape[-1] * self.input.shape[-1]

    def write(self) -> Float[Array, "N K P"]:
        """One row for each example and output."""
        full = jnp.einsum("iktm,itq->ikmq", self.signal, self.input, precision=HIGHEST)
        return full.reshape(*full.shape[:2], -1)

    def pieces(self) -> tuple[int, Callable[[Any], Outer]]:
        """Into how many pieces of about `COLUMNS` columns to cut, and piece number `c`: the longer side is cut."""
        m, q = self.signal.shape[-1], self.input.shape[-1]
        if m > q:
            count, cut = _cut(self.signal, max(1, COLUMNS // q))
            return count, lambda c: Outer(cut(c), self.input)
        count, cut = _cut(self.input, max(1, COLUMNS // m))
        return count, lambda c: Outer(self.signal, cut(c))


Written = Gradients | Outer


def written_products(
    left: Sequence[Written], right: Sequence[Written] | None, pairs: np.ndarray, trace: bool
) -> Sequence[Array] | Array:
    """For each pair `(i, j)` of blocks `Σ rows(left_i) rows(right_j)ᵀ` over the parameters; `None` is `right = left`.

    Every operand begins with the axes (blocks, examples). Rows are `(n·K, n'·K)`, or, if `trace`, `(n, n')` summed over
    equal outputs.
    """
    stacks = [_stacked(group) for group in _alike(left)]
    others = stacks if right is None else [_stacked(group) for group in _alike(right)]
    add = _adder(pairs, trace)
    shapes = [jax.eval_shape(lambda part: _rows(take(part, (0, 0)), trace), stack) for stack in (stacks[0], others[0])]
    zeros = jnp.zeros((len(pairs), shapes[0].shape[0], shapes[1].shape[0]), shapes[0].dtype)
    total: Any = tuple(zeros) if len(pairs) <= UNROLLED else zeros
    for one, two in zip(stacks, others):
        # None has no leaves: the loop then runs over the left operands alone.
        both = (one, None if two is one else two)
        total, _ = lax.scan(lambda total, pair: (_parameter(total, *pair, add), None), total, both)
    return total


def _parameter(total: Any, left: Written, right: Written | None, add: Add) -> Any:
    """One parameter's products added to `total`, some columns after the others."""
    count, of_left = left.pieces()
    of_right = None if right is None else right.pieces()[1]

    def step(total: Any, c: Any) -> tuple[Any, None]:
        return add(total, of_left(c), None if of_right is None else of_right(c)), None

    return lax.scan(step, total, jnp.arange(count))[0]


def _adder(pairs: np.ndarray, trace: bool) -> Add:
    """`(total, left, right) -> total + products`, unrolled over the pairs or in a loop."""

    def unrolled(total: Any, left: Written, right: Written | None) -> Any:
        rows = [_rows(take(left, i), trace) for i in range(pairs[:, 0].max() + 1)]
        others = rows if right is None else [_rows(take(right, j), trace) for j in range(pairs[:, 1].max() + 1)]
        return tuple(sum_ + rows_product(rows[i], others[j]) for sum_, (i, j) in zip(total, pairs))

    def looped(total: Any, left: Written, right: Written | None) -> Any:
        rows = jax.vmap(lambda part: _rows(part, trace))(left)
        others = rows if right is None else jax.vmap(lambda part: _rows(part, trace))(right)

        def one(total: Any, pair: Any) -> tuple[Any, None]:
            p, i, j = pair
            return lax.dynamic_update_index_in_dim(total, total[p] + rows_product(rows[i], others[j]), p, 0), None

        return lax.scan(one, total, jnp.asarray([(p, *pair) for p, pair in enumerate(pairs)]))[0]

    return unrolled if len(pairs) <= UNROLLED else looped


def take(operands: Any, index: Any) -> Any:
    """The operands of one block."""
    return jax.tree.map(lambda leaf: leaf[index], operands)


def rows_product(left: Array, right: Array) -> Array:
    """`left · rightᵀ`, in full precision."""
    return lax.dot_general(left, right, (((1,), (1,)), ((), ())), precision=HIGHEST)


def _rows(part: Written, trace: bool) -> Array:
    rows = part.write()
    return rows.reshape(rows.shape[0], -1) if trace else rows.reshape(-1, rows.shape[2])


def _alike(shares: Sequence[Written]) -> list[list[Written]]:
    """The shares in groups of equal kind and shape; small gradients are put side by side first."""
    small = [share for share in shares if isinstance(share, Gradients) and share.columns() < COLUMNS]
    groups: dict[Any, list[Written]] = {}
    if small:
        groups["small"] = [Gradients(jnp.concatenate([share.rows for share in small], -1))]
    for share in shares:
        if not any(share is other for other in small):
            shapes = tuple(leaf.shape for leaf in jax.tree.leaves(share))
            groups.setdefault((type(share), shapes), []).append(share)
    return list(groups.values())


def _stacked(group: Sequence[Written]) -> Written:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *group)


def _cut(array: Array, length: int) -> tuple[int, Callable[[Any], Array]]:
    """The last axis in `count` pieces of at most `length`, the last filled up with zeros; piece number `c`."""
    whole = array.shape[-1]
    count = -(-whole // length)
    size = -(-whole // count)
    filled = jnp.pad(array, [*[(0, 0)] * (array.ndim - 1), (0, count * size - whole)])
    return count, lambda c: lax.dynamic_slice_in_dim(filled, c * size, size, array.ndim - 1)
