"""Along which axes an array can vary: what `broadcast_in_dim` repeats stays known to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ntklora.tangent.backward.layout import axis_groups
from ntklora.tangent.backward.value import Shape, Value

# Entry by entry: the result varies where an input does.
ENTRYWISE = frozenset(
    (
        "abs",
        "add",
        "add_any",
        "and",
        "ceil",
        "convert_element_type",
        "copy",
        "cos",
        "div",
        "eq",
        "erf",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "integer_pow",
        "is_finite",
        "le",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "not",
        "or",
        "pow",
        "rsqrt",
        "select_n",
        "sign",
        "sin",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
    )
)


def varying_axes(name: str, params: dict[str, Any], inputs: Sequence[Value], shape: Shape) -> tuple[bool, ...]:
    """The axes of the output of primitive `name` along which it may vary; all, where nothing better is known."""
    long = tuple(size > 1 for size in shape)
    if name in ENTRYWISE:
        own = [value.varying for value in inputs if len(value.shape) == len(shape)]
        return tuple(any(axes) for axes in zip(*own))
    if name == "dot_general":
        contract, batch = params["dimension_numbers"]
        both = [inputs[0].varying[i] or inputs[1].varying[j] for i, j in zip(*batch)]
        free = [
            varies
            for side, value in enumerate(inputs)
            for i, varies in enumerate(value.varying)
            if i not in contract[side] and i not in batch[side]
        ]
        return (*both, *free)
    if name == "broadcast_in_dim":
        varying = [False] * len(shape)
        for axis, target in enumerate(params["broadcast_dimensions"]):
            varying[int(target)] = inputs[0].varying[axis]
        return tuple(varying)
    if name == "transpose":
        return tuple(inputs[0].varying[axis] for axis in params["permutation"])
    if name == "squeeze":
        return tuple(v for i, v in enumerate(inputs[0].varying) if i not in params["dimensions"])
    if name == "reshape" and 0 not in shape and params.get("dimensions") is None:
        varying = list(long)
        for before, after in axis_groups(inputs[0].shape, shape):
            if not any(inputs[0].varying[i] for i in before):
                for i in after:
                    varying[i] = False
        return tuple(varying)
    return long
