"""From the cut backward pass to each parameter's share of the kernel."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ntklora.ntk.blocks import block_length, block_pairs, fill_kernel
from ntklora.ntk.shares import Grams, Paired, TwoSidedGrams, grams_pay
from ntklora.ntk.written import COLUMNS, Gradients, Outer, Written, side_by_side, take, written_products
from ntklora.tangent.backward.cut import Cut
from ntklora.tangent.backward.value import NotRead, Term, Value, contract, full_axes
from ntklora.tangent.examples import in_blocks
from ntklora.tangent.memory import memory_allowance

# Bytes that one parameter's Gram matrices may take while a block is computed, where memory allows.
WORKING_BYTES = 2**28

# Backward passes run at once, one for each example and output: more would hold their activations too.
PASSES = 4096


class Batch(NamedTuple):
    """Every parameter's operands for some examples, all with the axes (blocks, examples) first."""

    paired: list[Paired]
    written: list[Written]


class Reading(NamedTuple):
    """How a network's kernel is computed.

    `cut` is its backward pass; `trace`: the outputs are traced over; `partners`: pairs of examples that the kernel has
    for each gradient written out.
    """

    cut: Cut
    trace: bool
    partners: float

    def kernel(self, x1: Any, x2: Any) -> Array:
        """The kernel of all examples, filled up to whole blocks; `x2=None` is `x1`.

        In one go where the operands of all examples fit into memory, else for some examples at a time.
        """
        counts = [jax.tree.leaves(x)[0].shape[0] for x in (x1, x2) if x is not None]
        each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._single(x1)))
        fitting = int(memory_allowance() // max(1, each))
        if sum(counts) <= fitting:
            return self._of_batches(x1, x2)
        length = max(1, fitting // 2)
        left = in_blocks(x1, length)
        right = left if x2 is None else in_blocks(x2, length)

        def block(i: Any, j: Any, _: Any) -> Array:
            return self._of_batches(take(left, i), take(right, j))

        blocks = (jax.tree.leaves(left)[0].shape[0], jax.tree.leaves(right)[0].shape[0])
        like = jax.eval_shape(lambda: block(0, 0, 0))
        return fill_kernel(block, like, blocks, x2 is None, unrolled=0)

    def _of_batches(self, x1: Any, x2: Any) -> Array:
        """The kernel of examples whose operands fit into memory."""
        left = self._prepare(x1)
        right = left if x2 is None else self._prepare(x2)
        blocks = tuple(jax.tree.leaves(batch)[0].shape[0] for batch in (left, right))
        n0, n1 = (jax.tree.leaves(batch)[0].shape[1] for batch in (left, right))
        k = self.cut.num_outputs
        products: Any = ()
        if left.written:
            pairs = block_pairs(blocks, x2 is None)
            products = written_products(left.written, None if x2 is None else right.written, pairs, self.trace)

        def block(i: Any, j: Any, p: Any) -> Array:
            both = zip(take(left.paired, i), take(right.paired, j))
            shares: list[Any] = [one.share(two, self.trace) for one, two in both]
            if left.written:
                shares.append(products[p] if self.trace else products[p].reshape(n0, k, n1, k))
            total = functools.reduce(operator.add, shares)
            return total / k if self.trace else total.transpose(0, 2, 1, 3)

        return fill_kernel(block, jax.eval_shape(lambda: block(0, 0, 0)), blocks, x2 is None)

    def _prepare(self, x: Any) -> Batch:
        """The operands of a batch in blocks of examples, computed some blocks after the others."""
        examples, k = jax.tree.leaves(x)[0].shape[0], self.cut.num_outputs
        most = min([share.most_examples(WORKING_BYTES) for share in self._single(x).paired], default=examples)
        pieces = in_blocks(x, block_length(examples, 1 if self.trace else k, most))
        blocks, length = jax.tree.leaves(pieces)[0].shape[:2]
        if blocks * length * k > PASSES:
            return lax.map(self.operands, pieces)
        batch = self.operands(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), pieces))
        return jax.tree.map(lambda leaf: leaf.reshape(blocks, length, *leaf.shape[1:]), batch)

    def _single(self, x: Any) -> Batch:
        return jax.eval_shape(self.operands, jax.tree.map(lambda leaf: leaf[:1], x))

    def operands(self, x: Any) -> Batch:
        """Every parameter's operands for these examples."""
        basis = jnp.eye(self.cut.num_outputs, dtype=self.cut.dtype)
        forms: list[_Form] = []

        def of_output(one: Any, ct: Array) -> tuple[list[Any], list[Any]]:
            forms[:] = self._forms(self.cut.cotangents(one, ct))
            return [form.signals for form in forms], [form.inputs for form in forms]

        def of_example(one: Any) -> tuple[list[Any], list[Any]]:
            return jax.vmap(of_output, in_axes=(None, 0), out_axes=(0, None))(one, basis)

        signals, inputs = jax.vmap(of_example)(x)
        shares = [share for form, pair in zip(forms, zip(signals, inputs)) for share in form.shares(*pair)]
        paired = [share for share in shares if isinstance(share, Paired)]
        written = side_by_side([share for share in shares if isinstance(share, Written)])
        if len(written) == 1 and isinstance(written[0], Gradients) and written[0].columns() < COLUMNS:
            # A few vectors alone are not worth sums that wait for them: they are the weights of an input of 1.
            rows = written[0].rows[:, :, None, None]
            return Batch([*paired, Grams(rows, jnp.ones((rows.shape[0], 1, 1, 1), rows.dtype))], [])
        return Batch(paired, written)

    def _forms(self, values: dict[str, Value]) -> list[_Form]:
        """One form for each parameter, save for a bias that joins the layer whose signal is its gradient.

        `Θ = (G_a + 1) ∘ G_b`: such a bias is the weight of one more input, which is always 1.
        """
        biases = {id(value.array): name for name, value in values.items() if len(value.shape) == 1}
        forms, done = [], set()
        for name, value in values.items():
            terms = _terms(value)
            sides = _sides(terms)
            pay = [self._grams_pay(side) for side in sides]
            bias = biases.get(id(terms[0].source)) if len(terms) == 1 else None
            if bias is not None and bias not in done and pay[0]:
                ones = jnp.ones_like(sides[0].input[..., :1])
                sides = [sides[0]._replace(input=jnp.concatenate([sides[0].input, ones], -1))]
                done.add(bias)
            form = _operands_form(sides, pay, self.cut.num_outputs)
            if form is not None:
                forms.append(form)
                done.add(name)
        return forms + [_gradient_form(value) for name, value in values.items() if name not in done]

    def _grams_pay(self, side: _Side) -> bool:
        t, s, m = side.signal.shape
        return grams_pay((self.cut.num_outputs, t, s, m, side.input.shape[2]), self.partners, self.trace)


class _Form(NamedTuple):
    """One parameter's operands for one example and output, and how to make its shares of their batch."""

    shares: Callable[[Any, Any], list[Paired | Written]]
    signals: Any
    inputs: Any


class _Side(NamedTuple):
    """Operands of the terms of one kind: `signal (T, S, M)`, `input (T, S, Q)`."""

    signal: Array
    input: Array


def _operands_form(sides: Sequence[_Side], pay: Sequence[bool], num_outputs: int) -> _Form | None:
    """The form that keeps operands; `None` where the gradient itself is smaller, or the kinds do not match."""
    signals, inputs = [side.signal for side in sides], [side.input for side in sides]
    if len(sides) == 1:
        (t, s, m), q = sides[0].signal.shape, sides[0].input.shape[2]
        if pay[0]:
            return _Form(lambda b, a: [Grams(b[0], a[0])], signals, inputs)
        if num_outputs * m * q <= t * (num_outputs * m + q):
            return None
        return _Form(lambda b, a: [Outer(b[0][..., i, :], a[0][..., i, :]) for i in range(s)], signals, inputs)
    if len(sides) == 2 and all(pay) and all(side.signal.shape[1] == 1 for side in sides):
        one, two = sides
        if (one.signal.shape[2], one.input.shape[2]) == (two.input.shape[2], two.signal.shape[2]):
            return _Form(lambda b, a: [TwoSidedGrams(Grams(b[0], a[0]), Grams(b[1], a[1]))], signals, inputs)
    return None


def _gradient_form(value: Value) -> _Form:
    """The gradient itself: from its terms where it has some, which spares a convolution in a layout of its own."""
    terms = _terms(value)
    gradient = contract(terms, value.shape, value.dtype) if terms else value.array
    return _Form(lambda b, a: [Gradients(b.reshape(*b.shape[:2], -1))], gradient, ())


def _terms(value: Value) -> tuple[Term, ...]:
    """The terms of a parameter with more than one axis; none where the gradient itself is to be used."""
    if len(value.shape) < 2:
        return ()
    try:
        return value.products
    except NotRead:
        return ()


def _sides(terms: Sequence[Term]) -> list[_Side]:
    """The terms brought together by kind: along which axes the signal varies, and along which the input."""
    kinds: dict[Any, list[tuple[Array, Array]]] = {}
    for term in terms:
        kind = (full_axes(term.linear), full_axes(term.known))
        kinds.setdefault(kind, []).append(_matrices(term))
    return [_Side(*(jnp.concatenate(operands) for operands in zip(*pairs))) for pairs in kinds.values()]


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
