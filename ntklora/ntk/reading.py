"""From the cut backward pass to each parameter's share of the kernel, for a block of examples at a time."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ntklora.ntk.blocks import ROWS, block_length
from ntklora.ntk.shares import Gradients, Products, Share, TwoSidedProducts, grams_pay
from ntklora.tangent.backward.cut import Cut
from ntklora.tangent.backward.value import NotRead, Term, Value, full_axes
from ntklora.tangent.examples import in_blocks
from ntklora.tangent.memory import memory_allowance

# Bytes that one parameter may take while a block is computed, where memory allows.
WORKING_BYTES = 2**28


class Batch(NamedTuple):
    """Examples cut into blocks: `shares(i)` gives every parameter's share for block `i`."""

    shares: Callable[[Any], list[Share]]
    blocks: int
    examples: int


class Reading(NamedTuple):
    """How a network's kernel is computed: its cut backward pass, and whether the outputs are traced over."""

    cut: Cut
    trace: bool

    def prepare(self, x: Any) -> Batch:
        """The batch in blocks, its operands computed once and kept if they fit into memory, else whenever needed."""
        examples = jax.tree.leaves(x)[0].shape[0]
        single = jax.eval_shape(self.shares, jax.tree.map(lambda leaf: leaf[:1], x))
        allowance = memory_allowance()
        limit = min(WORKING_BYTES, allowance // 4)
        most = min(share.most_examples(limit) for share in single)
        length = block_length(examples, 1 if self.trace else self.cut.num_outputs, most)
        pieces = in_blocks(x, length)
        count = jax.tree.leaves(pieces)[0].shape[0]
        if count == 1:
            only = self.shares(x)
            return Batch(lambda i: only, 1, examples)
        kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(single)) * examples
        if kept > allowance:
            return Batch(lambda i: self.shares(jax.tree.map(lambda leaf: leaf[i], pieces)), count, examples)
        stored = lax.map(self.shares, pieces)
        return Batch(lambda i: jax.tree.map(lambda leaf: leaf[i], stored), count, examples)

    def block(self, left: list[Share], right: list[Share]) -> Array:
        """Kernel entries between two blocks of examples, `(n, n', K, K)` or, traced, `(n, n')`."""
        shares: list[Any] = [one.share(two, self.trace) for one, two in zip(left, right)]  # type: ignore[arg-type]
        total = functools.reduce(operator.add, shares)
        return total / self.cut.num_outputs if self.trace else total.transpose(0, 2, 1, 3)

    def shares(self, x: Any) -> list[Share]:
        """Every parameter's share for these examples."""
        basis = jnp.eye(self.cut.num_outputs, dtype=self.cut.dtype)
        forms: list[_Form] = []

        def of_output(one: Any, ct: Array) -> tuple[list[Any], list[Any]]:
            forms[:] = _forms(self.cut.cotangents(one, ct), self.cut.num_outputs, self.trace)
            return [form.signals for form in forms], [form.inputs for form in forms]

        def of_example(one: Any) -> tuple[list[Any], list[Any]]:
            return jax.vmap(of_output, in_axes=(None, 0), out_axes=(0, None))(one, basis)

        signals, inputs = jax.vmap(of_example)(x)
        return [form.share(*pair) for form, pair in zip(forms, zip(signals, inputs))]


class _Form(NamedTuple):
    """One parameter's operands for one example and output, and how to make its share of their batch."""

    share: Callable[[Any, Any], Share]
    signals: Any
    inputs: Any


def _forms(values: dict[str, Value], num_outputs: int, trace: bool) -> list[_Form]:
    """One form for each parameter, save for a bias that joins the layer whose signal is its gradient.

    `Θ = (G_a + 1) ∘ G_b`: such a bias is the weight of one more input, which is always 1.
    """
    biases = {id(value.array): name for name, value in values.items() if len(value.shape) == 1}
    forms, done = [], set()
    for name, value in values.items():
        terms = _terms(value)
        sides = _sides(terms, num_outputs, trace)
        bias = biases.get(id(terms[0].source)) if len(terms) == 1 else None
        if bias is not None and bias not in done and sides[0].through_grams:
            ones = jnp.ones_like(sides[0].input[..., :1])
            sides = [sides[0]._replace(input=jnp.concatenate([sides[0].input, ones], -1))]
            done.add(bias)
        form = _products_form(sides, num_outputs)
        if form is not None:
            forms.append(form)
            done.add(name)
    return forms + [_gradient_form(value) for name, value in values.items() if name not in done]


def _products_form(sides: Sequence[_Side], num_outputs: int) -> _Form | None:
    """The form that keeps operands; `None` where the gradient itself is smaller, or the kinds do not match."""
    signals, inputs = [side.signal for side in sides], [side.input for side in sides]
    if len(sides) == 1:
        (side,) = sides
        (t, _, m), q = side.signal.shape, side.input.shape[2]
        if not side.through_grams and num_outputs * m * q <= t * (num_outputs * m + q):
            return None
        return _Form(lambda b, a: Products(b[0], a[0], side.through_grams), signals, inputs)
    if len(sides) == 2 and all(side.through_grams and side.signal.shape[1] == 1 for side in sides):
        one, two = sides
        if (one.signal.shape[2], one.input.shape[2]) == (two.input.shape[2], two.signal.shape[2]):
            return _Form(
                lambda b, a: TwoSidedProducts(Products(b[0], a[0], True), Products(b[1], a[1], True)), signals, inputs
            )
    return None


def _gradient_form(value: Value) -> _Form:
    return _Form(lambda b, a: Gradients(b.reshape(*b.shape[:2], -1)), value.array, ())


class _Side(NamedTuple):
    """Operands of the terms of one kind: `signal (T, S, M)`, `input (T, S, Q)`."""

    signal: Array
    input: Array
    through_grams: bool


def _terms(value: Value) -> tuple[Term, ...]:
    """The terms of a parameter with more than one axis; none where the gradient itself is to be used."""
    if len(value.shape) < 2:
        return ()
    try:
        return value.products
    except NotRead:
        return ()


def _sides(terms: Sequence[Term], num_outputs: int, trace: bool) -> list[_Side]:
    """The terms brought together by kind: along which axes the signal varies, and along which the input."""
    kinds: dict[Any, list[tuple[Array, Array]]] = {}
    for term in terms:
        kind = (full_axes(term.linear), full_axes(term.known))
        kinds.setdefault(kind, []).append(_matrices(term))
    sides = []
    for pairs in kinds.values():
        signal, known = (jnp.concatenate(operands) for operands in zip(*pairs))
        t, s, m = signal.shape
        pays = grams_pay((num_outputs, t, s, m, known.shape[2]), max(1, ROWS // num_outputs), trace)
        sides.append(_Side(signal, known, pays))
    return sides


def _matrices(term: Term) -> tuple[Array, Array]:
    """`signal (T, S, M)` and `input (T, S, Q)`: shared axes first, the others merged."""
    signal_axes, input_axes = full_axes(term.linear), full_axes(term.known)
    both = [i for i, pair in enumerate(zip(signal_axes, input_axes)) if all(pair)]
    merged = []
    for operand, full in ((term.linear, signal_axes), (term.known, input_axes)):
        own = [i for i in range(len(full)) if i not in both]
        ordered = operand.transpose(0, *(1 + i for i in both), *(1 + i for i in own))
        shared = 1
        for i in both:
            shared *= operand.shape[1 + i]
        merged.append(ordered.reshape(operand.shape[0], shared, -1))
    return merged[0], merged[1]
