"""The kernel of a multilayer perceptron written by hand, layer by layer: what general code is measured against."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

HIGHEST = lax.Precision.HIGHEST


def layerwise_kernel(
    params: dict[str, dict[str, Array]], x: Float[Array, "N inputs"], trace: bool
) -> Float[Array, "N N K K"] | Float[Array, "N N"]:
    """`Θ = Σ_l (h_l h_lᵀ + 1) ∘ (b_l b_lᵀ)` for ReLU layers `{"hidden0": {"w", "b"}, …, "readout"}`, standard scale.

    `h_l` are a layer's inputs, `b_l` the signals that come back to it; `trace`: `Σ_k Θ_ij,kk / K`.
    """
    inputs, slopes = [x], []
    for i in range(len(params) - 1):
        z = _product(inputs[-1], params[f"hidden{i}"]["w"]) + params[f"hidden{i}"]["b"]
        inputs.append(jnp.maximum(z, 0))
        slopes.append((z > 0).astype(z.dtype))
    weights = [*(params[f"hidden{i}"]["w"] for i in range(1, len(slopes))), params["readout"]["w"]]
    k = params["readout"]["w"].shape[0]
    signals = [jnp.broadcast_to(jnp.eye(k, dtype=x.dtype), (x.shape[0], k, k))]
    for weight, slope in zip(weights[::-1], slopes[::-1]):
        signals.append(jnp.einsum("iko,on->ikn", signals[-1], weight, precision=HIGHEST) * slope[:, None])
    shares = [_share(h, b, trace) for h, b in zip(inputs, signals[::-1])]
    return sum(shares[1:], shares[0]) / (k if trace else 1)


def _share(h: Array, b: Array, trace: bool) -> Array:
    gram = _product(h, h) + 1
    if trace:
        flat = b.reshape(b.shape[0], -1)
        return gram * _product(flat, flat)
    n, k, m = b.shape
    rows = b.reshape(n * k, m)
    return gram[:, :, None, None] * _product(rows, rows).reshape(n, k, n, k).transpose(0, 2, 1, 3)


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right.T, precision=HIGHEST)
