"""The convolutional network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ntklora.arguments import one_of
from ntklora.models.layers import Parametrization, Scale, convolution, init_layers, linear

Params = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class CNN:
    """Convolutions with `activation`, zero padding and one stride each, then a dense readout of the flattened map.

    `channels` gives C_out layer by layer, `strides` (default: all 1) how each one shrinks the image; `input_shape` is
    (C_in, height, width) and `x` is reshaped to it.
    `params` is `{"conv0": {"w": (C_out, C_in, kh, kw), "b"}, …, "readout": {"w", "b"}}`.
    Errors: `ValueError` when `strides` and `channels` differ in length.
    """

    num_outputs: int
    channels: tuple[int, ...] = (16, 16)
    input_shape: tuple[int, int, int] = (1, 8, 8)
    kernel_size: int = 3
    strides: tuple[int, ...] | None = None
    activation: Callable[[Array], Array] = jax.nn.relu
    parametrization: Parametrization = Parametrization.ntk
    weight_std: float = sqrt(2.0)
    readout_std: float = 1.0
    bias_std: float = 0.1

    def __post_init__(self):
        if self.strides is not None and len(self.strides) != len(self.channels):
            raise ValueError(f"strides = {self.strides} must have one entry for each of channels = {self.channels}")

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters."""
        window = (self.kernel_size, self.kernel_size)
        inputs, (c_in, height, width) = (self.input_shape[0], *self.channels[:-1]), self.input_shape
        layers: dict[str, tuple[Scale, tuple[int, ...]]] = {
            f"conv{i}": (self._scale(self.weight_std), (c_out, c_in, *window))
            for i, (c_out, c_in) in enumerate(zip(self.channels, inputs))
        }
        for stride in self._strides():
            height, width = -(-height // stride), -(-width // stride)
        features = (self.channels[-1] if self.channels else c_in) * height * width
        layers["readout"] = (self._scale(self.readout_std), (self.num_outputs, features))
        return init_layers(key, layers)

    def apply(self, params: Params, x: Float[Array, "*axes"]) -> Float[Array, " K"]:
        """Outputs of one example."""
        h = x.reshape(self.input_shape)
        for i, stride in enumerate(self._strides()):
            h = self.activation(convolution(self._scale(self.weight_std), params[f"conv{i}"], h, stride))
        return linear(self._scale(self.readout_std), params["readout"], h.ravel())

    def _strides(self) -> tuple[int, ...]:
        return self.strides if self.strides is not None else (1,) * len(self.channels)

    def _scale(self, weight_std: float) -> Scale:
        return Scale(weight_std, self.bias_std, one_of("parametrization", self.parametrization, Parametrization))
