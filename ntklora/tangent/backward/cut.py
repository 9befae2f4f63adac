"""The backward pass of one example, cut at the products that are the weights' gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.tangent.backward.reader import interpret
from ntklora.tangent.backward.value import Value, cotangent_value, known_value
from ntklora.tangent.targets import Parameters

Network = Callable[[Any, Any], Any]


class Cut(NamedTuple):
    """The backward pass of `f` for one example, as a jaxpr `(leaves, x, ct) -> cotangents of the named leaves`."""

    closed: Any
    arrays: dict[str, jax.Array]
    names: tuple[str, ...]
    num_outputs: int
    dtype: Any

    def cotangents(self, x: Any, ct: jax.Array) -> dict[str, Value]:
        """`∂<ct, f(params, x)>/∂W` for each name: with terms where it is a sum of products, else its array."""
        consts = [known_value(const, data=False) for const in self.closed.consts]
        inputs = [known_value(array, data=False) for array in jax.tree.leaves(self.arrays)]
        inputs += [known_value(leaf, data=True) for leaf in jax.tree.leaves(x)]
        values = interpret(self.closed.jaxpr, consts, [*inputs, cotangent_value(ct)])
        return dict(zip(self.names, values))


def cut_backward(f: Network, parameters: Parameters, names: Sequence[str], example: Any) -> Cut:
    """Trace the backward pass; `example` gives the shapes of one `x`.

    Errors: `ValueError` unless `f` returns one floating-point array of shape (K,).
    """
    arrays = {name: parameters.arrays[name] for name in names}

    def of_arrays(arrays: dict[str, jax.Array], x: Any) -> Any:
        return f(parameters.rebuild(arrays), x)

    num_outputs, dtype = _output_type(jax.eval_shape(of_arrays, arrays, example))

    def backward(arrays: dict[str, jax.Array], x: Any, ct: jax.Array) -> list[jax.Array]:
        _, pull = jax.vjp(lambda moved: of_arrays(moved, x), arrays)
        (cotangents,) = pull(ct)
        return [cotangents[name] for name in names]

    closed = jax.make_jaxpr(backward)(arrays, example, jax.ShapeDtypeStruct((num_outputs,), dtype))
    return Cut(closed, arrays, tuple(names), num_outputs, dtype)


def _output_type(out: Any) -> tuple[int, Any]:
    leaves = jax.tree.leaves(out)
    one = leaves[0] if len(leaves) == 1 and leaves[0] is out else None
    if one is None or len(one.shape) != 1 or 0 in one.shape or not jnp.issubdtype(one.dtype, jnp.floating):
        described = ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in leaves)
        raise ValueError(
            "f(params, x) must return one floating-point array of shape (K,) for one example (no batch axis), "
            f"got {described or 'nothing'}"
        )
    return one.shape[0], one.dtype
