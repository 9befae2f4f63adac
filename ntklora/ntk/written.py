"""The shares of parameters whose gradients are written out: products of matrices with one row for each output.

Columns are written some at a time, for all examples, multiplied and forgotten: each gradient is written once, and what
is kept at once is bounded whatever the parameter's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
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
# Pieces at least: a loop uses its memory again, where one parameter after the other without a loop took all at once.
PIECES = 2

Add = Callable[[Array, Any, Any], Array]


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


def written_products(left: Sequence[Written], right: Sequence[Written] | None, pairs: np.ndarray, trace: bool) -> Array:
    """For each pair `(i, j)` of blocks `Σ rows(left_i) rows(right_j)ᵀ` over the parameters; `None` is `right = left`.

    Every operand begins with the axes (blocks, examples). Rows are `(n·K, n'·K)`, or, if `trace`, `(n, n')` summed over
    equal outputs.
    """
    others = [None] * len(left) if right is None else right
    add = _adder(pairs, trace)
    firsts = [jax.tree.leaves(share)[0] for share in (left[0], left[0] if right is None else right[0])]
    heights = [prod(leaf.shape[1 : 2 if trace else 3]) for leaf in firsts]
    total = jnp.zeros((len(pairs), *heights), firsts[0].dtype)
    for one, two in zip(left, others):
        total = _parameter(total, one, two, add)
    return total


def _parameter(total: Array, left: Written, right: Written | None, add: Add) -> Array:
    """One parameter's products added to `total`, some columns after the others."""
    count, of_left = left.pieces()
    of_right = None if right is None else right.pieces()[1]

    def step(total: Array, c: Any) -> tuple[Array, None]:
        return add(total, of_left(c), None if of_right is None else of_right(c)), None

    return lax.scan(step, total, jnp.arange(count))[0]


def _adder(pairs: np.ndarray, trace: bool) -> Add:
    """`(total, left, right) -> total + products`, unrolled over the pairs or in a loop."""

    def unrolled(total: Array, left: Written, right: Written | None) -> Array:
        rows = [_rows(take(left, i), trace) for i in range(pairs[:, 0].max() + 1)]
        others = rows if right is None else [_rows(take(right, j), trace) for j in range(pairs[:, 1].max() + 1)]
        # Put together before they are added: each product then has memory of its own and waits for no other, where the
        # processor computes in program order too.
        products = jnp.concatenate([rows_product(rows[i], others[j]) for i, j in pairs])
        return total + products.reshape(total.shape)

    def looped(total: Array, left: Written, right: Written | None) -> Array:
        rows = jax.vmap(lambda part: _rows(part, trace))(left)
        others = rows if right is None else jax.vmap(lambda part: _rows(part, trace))(right)

        def one(total: Array, pair: Any) -> tuple[Array, None]:
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


def side_by_side(shares: Sequence[Written]) -> list[Written]:
    """The shares, small gradients put together as one."""
    small = [share for share in shares if isinstance(share, Gradients) and share.columns() < COLUMNS]
    others = [share for share in shares if not any(share is one for one in small)]
    return [Gradients(jnp.concatenate([share.rows for share in small], -1)), *others] if small else others


def _cut(array: Array, length: int) -> tuple[int, Callable[[Any], Array]]:
    """The last axis in `count` pieces of at most `length`, the last filled up with zeros; piece number `c`."""
    whole = array.shape[-1]
    count = max(-(-whole // length), min(PIECES, whole))
    size = -(-whole // count)
    filled = jnp.pad(array, [*[(0, 0)] * (array.ndim - 1), (0, count * size - whole)])
    return count, lambda c: lax.dynamic_slice_in_dim(filled, c * size, size, array.ndim - 1)
