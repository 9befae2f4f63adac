"""Tangent features of any network `f(params, x)`, factored wherever backpropagation multiplies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ntklora.tangent.backward.cut import cut_backward
from ntklora.tangent.backward.layout import reshaped, transposed
from ntklora.tangent.backward.value import NotRead, Term, Value
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed, TwoSided
from ntklora.tangent.examples import as_batch, in_blocks, on_device, one_example
from ntklora.tangent.folding import Fold
from ntklora.tangent.kernels import find_kernels
from ntklora.tangent.memory import GIB, memory_allowance
from ntklora.tangent.operator import TangentOperator
from ntklora.tangent.targets import MATRICES, Targets, given_targets, resolve_targets, split_parameters, target_folds

Network = Callable[[Any, Any], Any]

# Factored features may take this many times the room of dense ones: the theory's form is kept for small filters on
# small images, and given up where a filter of 9 entries meets 784 positions.
EXCESS = 64

# Backward passes run at once, one for each example and output: more would hold their activations too.
ROWS = 4096


def tangent_features(f: Network, params: Any, x: Any, targets: Targets = MATRICES) -> TangentOperator:
    """The tangent operator of a network at `params`, on the examples `x`.

        A(δ)_ij = <G_ij, δ>,   G_ij = ∂f_j(x_i)/∂W = Σ_t b_ijt a_itᵀ

    `f(params, x)` takes one example and returns `(K,)`; `params` is any pytree; `x` has a leading axis `N` (a pytree
    whose leaves all have it, if one example is a pytree). `targets`: `"matrices"`, `"parameters"`, or names and
    `fnmatch` patterns, see `resolve_targets`. With one target `delta` is an array, with several a dict by name.
    `op.layout` says which features are factored, `op.reasons` why the others are not.
    Errors: `ValueError` for an unknown target, an `f` that does not return `(K,)`, a leaf that is no matrix, and for
    features that would not fit into memory, with their size.
    Source: [derived, theory §1.1]; the method is described in docs/tangent_features.md.

    >>> op = tangent_features(lambda p, x: p["w"] @ x, {"w": jnp.zeros((2, 3))}, jnp.ones((4, 3)))
    >>> op.layout["w"].value, op.apply(jnp.ones((2, 3))).tolist()[0]
    ('factored', [3.0, 3.0])
    """
    return _compiled(f, on_device(params), as_batch(x), given_targets(targets))


class _Plan(NamedTuple):
    """What was decided for one weight while its features were traced."""

    fold: Fold
    reason: str  # why dense; empty when factored


@eqx.filter_jit
def _compiled(f: Network, params: Any, x: Any, targets: Targets) -> TangentOperator:
    parameters = split_parameters(params)
    example = one_example(x)
    kernels = find_kernels(f, parameters, example)
    shapes = {name: array.shape for name, array in parameters.arrays.items()}
    names = resolve_targets(targets, shapes, kernels)
    folds = target_folds(names, shapes, kernels)
    cut = cut_backward(f, parameters, names, example)
    plans: dict[str, _Plan] = {}

    def of_output(one: Any, ct: jax.Array) -> tuple[dict[str, Any], dict[str, Any]]:
        linear, known = {}, {}
        for name, value in cut.cotangents(one, ct).items():
            plans[name], linear[name], known[name] = _matrix_parts(name, value, folds[name], cut.num_outputs)
        return linear, known

    def of_example(one: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # The signals have one copy for each output, the known operands one for all: vmap refuses anything else.
        basis = jnp.eye(cut.num_outputs, dtype=cut.dtype)
        return jax.vmap(of_output, in_axes=(None, 0), out_axes=(0, None))(one, basis)

    linear, known = _in_pieces(of_example, x, max(1, ROWS // cut.num_outputs))
    blocks = {name: _block(linear[name], known[name]) for name in names}
    _refuse_too_large(blocks, plans)
    reasons = tuple((name, plans[name].reason) for name in names if plans[name].reason)
    return TangentOperator(blocks, len(names) == 1, reasons, tuple((name, plans[name].fold) for name in names))


def _in_pieces(of_example: Callable[[Any], Any], x: Any, length: int) -> Any:
    """`vmap(of_example)(x)`, some examples after the others."""
    examples = jax.tree.leaves(x)[0].shape[0]
    if examples <= length:
        return jax.vmap(of_example)(x)
    stacked = lax.map(jax.vmap(of_example), in_blocks(x, length))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:examples], stacked)


def _matrix_parts(
    name: str, value: Value, fold: Fold | None, num_outputs: int
) -> tuple[_Plan, dict[str, jax.Array], dict[str, jax.Array]]:
    """One cotangent as operands, signals and known ones apart, or as the array that it is."""
    fold = fold or _fold_of_products(name, value)
    m, n = fold.matrix_shape
    upright, flipped, reason = _sides(value, fold)
    if not reason:
        entries = sum(side[0].shape[0] * (num_outputs * m + n) for side in upright) + sum(
            side[0].shape[0] * (num_outputs * n + m) for side in flipped
        )
        if entries > EXCESS * num_outputs * m * n:
            reason = f"factors would take {entries / (num_outputs * m * n):.0f} times the room of the features"
    if reason:
        return _Plan(fold, reason), {"dense": fold.unfold(value.array)}, {}
    linear, known = {}, {}
    for key, side in (("upright", upright), ("flipped", flipped)):
        if side:
            linear[key] = jnp.concatenate([signal for signal, _ in side])
            known[key] = jnp.concatenate([operand for _, operand in side])
    return _Plan(fold, ""), linear, known


Pair = tuple[jax.Array, jax.Array]


def _sides(value: Value, fold: Fold) -> tuple[list[Pair], list[Pair], str]:
    """Operands `(signal, known)` of the terms `b aᵀ` and of the terms `a bᵀ`, or the reason why there are none."""
    m, n = fold.matrix_shape
    if len(fold.shape) < 2:
        return [], [], "a vector is one column: its features are no product"
    try:
        order = (*fold.rows, *fold.columns)
        terms = reshaped(transposed(value.products, order), tuple(fold.shape[i] for i in order), (m, n))
    except NotRead as stop:
        return [], [], f"its gradient is no sum of products: {stop}"
    upright, flipped = [], []
    for term in terms or (_nothing(m, n, value.dtype),):
        rows, columns = (operand.shape[1:] for operand in (term.linear, term.known))
        if rows[1] == 1 and columns[0] == 1:
            upright.append((term.linear[:, :, 0], term.known[:, 0, :]))
        elif rows[0] == 1 and columns[1] == 1:
            flipped.append((term.linear[:, 0, :], term.known[:, :, 0]))
        else:
            return [], [], "its gradient is no sum of products: rows scaled one by one"
    positions = sum(term.linear.shape[0] for term in terms if not term.data)
    if positions >= min(m, n):
        return [], [], "no data multiply it: it is added to an activation"
    return upright, flipped, ""


def _nothing(m: int, n: int, dtype: Any) -> Term:
    """The zero product: the features of a weight that the outputs do not depend on."""
    return Term(jnp.zeros((1, m, 1), dtype), jnp.zeros((1, 1, n), dtype), True)


def _fold_of_products(name: str, value: Value) -> Fold:
    """How a leaf of more than two axes is applied as a matrix: the signal's axes against the input's."""
    shape = value.shape
    splits = set()
    for term in value.terms or ():
        if isinstance(term, Term):
            signal, known = ({i for i, s in enumerate(x.shape[1:]) if s > 1} for x in (term.linear, term.known))
            first = min(signal, known, key=lambda axes: min(axes, default=len(shape)))
            splits.add((tuple(sorted(first)), not signal & known))
    if len(splits) == 1:
        ((rows, apart),) = splits
        if apart and rows:
            rest = [i for i in range(len(shape)) if i not in rows]
            return Fold(shape, rows, tuple(rest))
    raise ValueError(
        f"target {name!r} has shape {shape} and is applied neither as one matrix nor as a convolution kernel; "
        "leave it out of targets, or keep each matrix in a leaf of its own"
    )


def _block(linear: dict[str, jax.Array], known: dict[str, jax.Array]) -> Block:
    if "dense" in linear:
        return Dense(linear["dense"])
    sides = {key: Factored(known[key], linear[key]) for key in linear}
    if len(sides) == 2:
        return TwoSided(sides["upright"], Transposed(sides["flipped"]))
    return sides["upright"] if "upright" in sides else Transposed(sides["flipped"])


def _refuse_too_large(blocks: dict[str, Block], plans: dict[str, _Plan]) -> None:
    """Errors: `ValueError` when the features would take more than the allowance, naming the largest and the mend."""
    sizes = {name: sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(block)) for name, block in blocks.items()}
    total, allowance = sum(sizes.values()), memory_allowance()
    if total <= allowance:
        return
    name = max(sizes, key=lambda key: sizes[key])
    block, reason = blocks[name], plans[name].reason
    (m, n), count = block.shape, block.num_samples
    form = f"dense ({reason})" if reason else "factored"
    fit = int(count * allowance / total)
    raise ValueError(
        f"the tangent features would take {total / GIB:.3g} GiB; {allowance / GIB:.3g} GiB may be used. "
        f"The largest are those of {name!r}, {form}: N = {count}, K = {block.num_outputs}, {m} x {n}, "
        f"{sizes[name] / GIB:.3g} GiB. Take at most {fit} examples, or leave {name!r} out of targets"
    )
