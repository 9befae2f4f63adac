"""Convolutions as products: the patches of one operand with the entries of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ntklora.tangent.backward.layout import reshaped, transposed
from ntklora.tangent.backward.product import signal_and_known
from ntklora.tangent.backward.value import NotRead, Shape, Term, Value


def conv_general_dilated(
    params: dict[str, Any], inputs: Sequence[Value], shapes: Sequence[Shape]
) -> list[tuple[Term, ...]]:
    """A convolution of a signal with the example's data, as backpropagation uses for a kernel's gradient.

        out[n, (g, o), s] = Σ_{c, k} patch[n, g, c, s, k] · filter[(g, o), c, k]

    summed over input channels `c` and window positions `k`, separately for each group `g`.
    """
    image, window = inputs
    signal, known = signal_and_known(inputs)
    if signal.is_zero:
        return [()]
    if not known.data:
        raise NotRead("convolution with weights")
    numbers, feature_groups = params["dimension_numbers"], params["feature_group_count"]
    batch_groups = params["batch_group_count"]
    groups, dtype = max(feature_groups, batch_groups), params["preferred_element_type"] or image.dtype
    x = image.array.astype(dtype).transpose(numbers.lhs_spec)  # (batch, channels, space...)
    if batch_groups > 1 and x.shape[0] == batch_groups:
        raise NotRead("depthwise convolution, where every filter has a channel of its own")
    w = window.array.astype(dtype).transpose(numbers.rhs_spec)  # (outputs, channels, window...)
    spatial = w.ndim - 2
    patches = extract_patches(x, w.shape[2:], params)  # (batch, channels, out space..., window...)
    batch, channels = x.shape[:2]
    out_space = patches.shape[2 : 2 + spatial]
    if feature_groups > 1:
        patches = patches.reshape(batch, groups, channels // groups, *patches.shape[2:])
    else:
        patches = jnp.moveaxis(patches.reshape(groups, batch // groups, *patches.shape[1:]), 0, 1)
    # patches: (n, g, c, space..., window...) -> (c window, n, g, 1, space...)
    inner = (2, *range(3 + spatial, 3 + 2 * spatial))
    left = patches.transpose(*inner, 0, 1, *range(3, 3 + spatial))
    left = left.reshape(-1, *left.shape[1 + spatial : 3 + spatial], 1, *out_space)
    # filter: (g, o, c, window...) -> (c window, 1, g, o, 1...)
    right = w.reshape(groups, -1, *w.shape[1:]).transpose(*range(2, 3 + spatial), 0, 1)
    right = right.reshape(-1, 1, *right.shape[-2:], *(1,) * spatial)
    term = Term(left, right, True) if image.linear else Term(right, left, True)
    split = (left.shape[1], groups, right.shape[3], *out_space)
    merged = (left.shape[1], groups * right.shape[3], *out_space)
    terms = reshaped([term], split, merged)
    order = [0] * len(numbers.out_spec)
    for axis, place in enumerate(numbers.out_spec):
        order[place] = axis
    return [transposed(terms, order)]


def extract_patches(x: jax.Array, window: Sequence[int], params: dict[str, Any]) -> jax.Array:
    """`x (batch, channels, space...)` -> `(batch, channels, out space..., window...)`: what each output position sees.

    Entry `(s, k)` of an axis is `x_padded[s·stride + k·dilation]`. A few slices for each axis, in exact copies.
    """
    edges = [(low, high, dilation - 1) for (low, high), dilation in zip(params["padding"], params["lhs_dilation"])]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *edges])
    spatial = len(window)
    for axis in range(spatial):
        stride, dilation, length = params["window_strides"][axis], params["rhs_dilation"][axis], window[axis]
        # The axes already cut stand behind, as (out, window) pairs: the next one is always number 2.
        positions = (x.shape[2] - (length - 1) * dilation - 1) // stride + 1
        if length <= positions:
            cuts = [_strided(x, k * dilation, stride, positions) for k in range(length)]
            pair = jnp.stack(cuts, -1)  # (..., out, ..., window)
        else:
            cuts = [_strided(x, s * stride, dilation, length) for s in range(positions)]
            pair = jnp.swapaxes(jnp.stack(cuts, -1), 2, -1)
        x = jnp.moveaxis(pair, 2, -2)
    pairs = range(2, 2 + 2 * spatial)
    return x.transpose(0, 1, *pairs[::2], *pairs[1::2])


def _strided(x: jax.Array, start: int, stride: int, length: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + (length - 1) * stride + 1, stride, axis=2)
