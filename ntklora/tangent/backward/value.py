"""What the reader knows of an intermediate array of the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Shape = tuple[int, ...]


class NotRead(Exception):
    """An equation through which a product cannot be followed; the message is the reason shown to the user."""


class ArrayNeeded(Exception):
    """Something asked for the array of a loop's accumulator, of which only the additions are kept (see `control`)."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class Term(NamedTuple):
    """One product `C[i…] = Σ_t linear[t, i…] · known[t, i…]`, broadcast over the axes where an operand has size 1.

    `linear` depends on the cotangent, `known` does not; `data` tells whether `known` depends on the example. Every axis
    of `C` longer than 1 is full in at least one operand. A dense layer: `linear (T, m, 1)`, `known (T, 1, n)`.
    `source` is the array of which `linear` is another shape, where it is one: a bias may have the same gradient.
    """

    linear: jax.Array
    known: jax.Array
    data: bool
    source: jax.Array | None = None


class Held(NamedTuple):
    """The accumulator of a loop, the carried value of this number, as one summand of what the body makes of it."""

    number: int


@dataclass(frozen=True, eq=False)
class Value:
    """An array, computed when first asked for, with what is known of it.

    `linear`: it depends on the cotangent. `data`: it depends on the example. `varying`: the axes along which it may
    vary. `terms`: the products whose sum it is (`()` is zero), `None` when it is no sum of products; `origin` then
    names the primitive that made it.
    """

    evaluate: Callable[[], Any]
    shape: Shape
    dtype: Any
    linear: bool
    data: bool
    varying: tuple[bool, ...]
    terms: tuple[Term | Held, ...] | None = None
    origin: str = field(default="")

    @property
    def array(self) -> jax.Array:
        """The array itself."""
        return self.evaluate()

    @property
    def products(self) -> tuple[Term, ...]:
        """The terms, for a rule that follows them. Errors: `NotRead` when there are none to follow."""
        if self.terms is None:
            raise NotRead(self.origin)
        if any(isinstance(term, Held) for term in self.terms):
            raise NotRead("accumulator of a loop")
        return tuple(term for term in self.terms if isinstance(term, Term))

    @property
    def is_zero(self) -> bool:
        """Known to be zero everywhere."""
        return self.terms == ()

    def collapsed(self, keep: Sequence[bool]) -> jax.Array:
        """The array cut to its first entry along every axis that is not kept (it must not vary along those)."""
        index = tuple(slice(None) if kept else slice(0, 1) for kept in keep)
        return self.array[index]


def known_value(array: Any, *, data: bool) -> Value:
    """A value that does not depend on the cotangent; a concrete zero is recognized."""
    zero = isinstance(array, np.ndarray | np.generic | float | int) and not np.any(array)
    shape, dtype = np.shape(array), jnp.result_type(array)
    return Value(lambda: array, shape, dtype, False, data, tuple(s > 1 for s in shape), () if zero else None)


def cotangent_value(array: Any) -> Value:
    """The cotangent that the backward pass starts from."""
    return Value(lambda: array, array.shape, array.dtype, True, False, tuple(s > 1 for s in array.shape), None, "input")


def sum_of_products(terms: Sequence[Term], shape: Shape, dtype: Any, linear: bool = True) -> Value:
    """The value whose terms these are; its array is contracted from them."""
    evaluate = functools.cache(lambda: contract(terms, shape, dtype))
    data = any(term.data for term in terms)
    return Value(evaluate, shape, dtype, linear, data, tuple(s > 1 for s in shape), tuple(terms))


def full_axes(operand: jax.Array) -> tuple[bool, ...]:
    """For each axis of `C`: whether this operand of a term varies along it."""
    return tuple(size > 1 for size in operand.shape[1:])


def contract(terms: Sequence[Term], shape: Shape, dtype: Any) -> jax.Array:
    """`Σ_t linear_t · known_t`, summed over the terms, in full."""
    total = jnp.zeros(shape, dtype)
    for term in terms:
        position, axes = len(shape), range(len(shape))
        sides = []
        for operand in (term.linear, term.known):
            full = [i for i in axes if operand.shape[1 + i] > 1]
            sides += [operand.reshape(operand.shape[0], *(shape[i] for i in full)), [position, *full]]
        long = [i for i in axes if shape[i] > 1]
        product = jnp.einsum(*sides, long, precision=jax.lax.Precision.HIGHEST)
        total = total + product.reshape(shape).astype(dtype)
    return total
