"""Linear maps with their parametrization: where the factor σ/√fan_in lives.

    standard    y = W x + b,                    W ~ N(0, σ_w²/fan_in),  b ~ N(0, σ_b²)
    ntk         y = (σ_w/√fan_in) W x + σ_b b,  W ~ N(0, 1),            b ~ N(0, 1)

Both draw the same random function; they differ in the gradients, hence in the kernel: under `ntk` each layer's share of
the kernel has a limit as the width grows [Jacot, Gabriel, Hongler 2018].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod, sqrt

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


class Parametrization(StrEnum):
    """Where σ/√fan_in stands: in the forward pass (`ntk`) or in the draw of the weights (`standard`)."""

    ntk = "ntk"
    standard = "standard"


@dataclass(frozen=True)
class Scale:
    """Standard deviations of weights and biases, and the parametrization; `bias_std` 0 leaves the biases out."""

    weight_std: float
    bias_std: float
    parametrization: Parametrization

    def layer(self, normals: Float[Array, " size"], kernel: tuple[int, ...]) -> dict[str, Array]:
        """Weight `w` of the shape `kernel` = (fan_out, ...) and, unless `bias_std` is 0, bias `b` (fan_out,)."""
        weight, bias = normals[: prod(kernel)].reshape(kernel), normals[prod(kernel) :]
        if self.parametrization is Parametrization.standard:
            weight, bias = self._factor(kernel) * weight, self.bias_std * bias
        return {"w": weight, "b": bias} if self.bias_std > 0 else {"w": weight}

    def multiplier(self, kernel: tuple[int, ...]) -> float:
        """The factor of `W x` in the forward pass."""
        return self._factor(kernel) if self.parametrization is Parametrization.ntk else 1.0

    def shift(self, params: dict[str, Array]) -> Array | float:
        """The bias as it enters the forward pass (0 without biases)."""
        if "b" not in params:
            return 0.0
        return self.bias_std * params["b"] if self.parametrization is Parametrization.ntk else params["b"]

    def _factor(self, kernel: tuple[int, ...]) -> float:
        return self.weight_std / sqrt(prod(kernel[1:]))


def init_layers(key: PRNGKeyArray, layers: dict[str, tuple[Scale, tuple[int, ...]]]) -> dict[str, dict[str, Array]]:
    """Parameters of the layers `{name: (scale, kernel shape)}`.

    One draw for all of them, cut into pieces: a draw of its own for every array would compile as many generators.
    """
    sizes = {name: prod(kernel) + kernel[0] for name, (_, kernel) in layers.items()}
    normals, start, params = jax.random.normal(key, (sum(sizes.values()),)), 0, {}
    for name, (scale, kernel) in layers.items():
        params[name] = scale.layer(normals[start : start + sizes[name]], kernel)
        start += sizes[name]
    return params


def linear(scale: Scale, params: dict[str, Array], x: Float[Array, "... fan_in"]) -> Float[Array, "... fan_out"]:
    """`y = c W x + shift` at every position of `x`."""
    weight = params["w"]
    return scale.multiplier(weight.shape) * (x @ weight.T) + scale.shift(params)


def convolution(
    scale: Scale, params: dict[str, Array], x: Float[Array, "c_in height width"], stride: int
) -> Float[Array, "c_out h w"]:
    """The same map over patches: zero padding to size ceil(height/stride) × ceil(width/stride)."""
    kernel = params["w"]
    patches = jax.lax.conv_general_dilated(x[None], kernel, (stride, stride), "SAME")[0]
    return scale.multiplier(kernel.shape) * patches + jnp.reshape(scale.shift(params), (-1, 1, 1))


def layer_norm(params: dict[str, Array], x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
    """Each token centred and scaled to variance 1, then `gain ⊙ x + offset`."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return params["gain"] * centred / jnp.sqrt(variance + 1e-5) + params["offset"]


def init_layer_norm(width: int) -> dict[str, Array]:
    """Gain 1, offset 0."""
    return {"gain": jnp.ones(width), "offset": jnp.zeros(width)}
