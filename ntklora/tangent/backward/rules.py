"""The primitives through which a product is followed.

Whatever is not in this table, and is not opened by `control`, ends a product: a parameter whose gradient comes out of
it has dense features. The table is part of the documentation (docs/tangent_features.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ntklora.tangent.backward import convolution, layout, product, scatter
from ntklora.tangent.backward.value import Shape, Value

Rule = Callable[[dict[str, Any], Sequence[Value], Sequence[Shape]], Sequence[tuple[Any, ...]]]

# Moved entries of a known zero are still zero, so these rules also serve arrays that know no cotangent.
LAYOUT: dict[str, Rule] = {
    "broadcast_in_dim": layout.broadcast_in_dim,
    "convert_element_type": layout.convert_element_type,
    "copy": layout.copy,
    "dynamic_slice": layout.dynamic_slice,
    "reshape": layout.reshape,
    "rev": layout.rev,
    "slice": layout.slice_,
    "squeeze": layout.squeeze,
    "transpose": layout.transpose,
}

RULES: dict[str, Rule] = {
    **LAYOUT,
    "add": product.add,
    "add_any": product.add,
    "concatenate": layout.concatenate,
    "conv_general_dilated": convolution.conv_general_dilated,
    "div": product.div,
    "dot_general": product.dot_general,
    "dynamic_update_slice": layout.dynamic_update_slice,
    "mul": product.mul,
    "neg": product.neg,
    "pad": layout.pad,
    "reduce_sum": product.reduce_sum,
    "scatter-add": scatter.scatter_add,
    "select_n": product.select_n,
    "split": layout.split,
    "stack": layout.stack,
    "sub": product.sub,
    "unstack": layout.unstack,
}
