"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ntklora.arguments import one_of
from ntklora.models.layers import Parametrization, Scale, init_layers, linear

Params = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class MLP:
    """`f(x) = W_L φ(W_{L-1} φ(… φ(W_0 x)))` with `sizes` = (inputs, hidden …, K).

    The defaults keep the second moment of ReLU layers: weight variance 2/fan_in in hidden layers, 1/fan_in in the
    readout. `params` is `{"hidden0": {"w", "b"}, …, "readout": {"w", "b"}}`.
    Errors: `ValueError` for fewer than two sizes or one below 1.
    """

    sizes: tuple[int, ...]
    activation: Callable[[Array], Array] = jax.nn.relu
    parametrization: Parametrization = Parametrization.ntk
    weight_std: float = sqrt(2.0)
    readout_std: float = 1.0
    bias_std: float = 0.1

    def __post_init__(self):
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes = {self.sizes}: expected (inputs, hidden ..., outputs), each at least 1")

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters."""
        names = [*(f"hidden{i}" for i in range(len(self.sizes) - 2)), "readout"]
        kernels = zip(self.sizes[1:], self.sizes[:-1])
        return init_layers(key, {name: (self._scale(name), kernel) for name, kernel in zip(names, kernels)})

    def apply(self, params: Params, x: Float[Array, "*axes"]) -> Float[Array, " K"]:
        """Outputs of one example; `x` is flattened."""
        h = jnp.ravel(x)
        for i in range(len(self.sizes) - 2):
            h = self.activation(linear(self._scale("hidden"), params[f"hidden{i}"], h))
        return linear(self._scale("readout"), params["readout"], h)

    def _scale(self, name: str) -> Scale:
        std = self.readout_std if name == "readout" else self.weight_std
        return Scale(std, self.bias_std, one_of("parametrization", self.parametrization, Parametrization))
