"""The small transformer encoder."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ntklora.arguments import one_of
from ntklora.models.layers import Parametrization, Scale, init_layer_norm, init_layers, layer_norm, linear

Params = dict[str, Any]


@dataclass(frozen=True)
class Transformer:
    """Embedding of `tokens` plus fixed sinusoidal positions, `depth` pre-norm blocks, mean over tokens, readout.

    A block is `h += W_o attention(W_q h', W_k h', W_v h')`, then `h += W_2 gelu(W_1 h')` with `h'` the normalized `h`;
    scores are scaled by 1/√(width/heads). `input_shape` is (tokens, features per token) and `x` is reshaped to it: a
    digit is read as 8 rows of 8 pixels.
    `params` is `{"embed", "block0": {"norm1", "q", "k", "v", "o", "norm2", "up", "down"}, …, "norm", "readout"}`.
    Errors: `ValueError` when `heads` does not divide `width`.
    """

    num_outputs: int
    input_shape: tuple[int, int] = (8, 8)
    width: int = 32
    heads: int = 4
    depth: int = 2
    hidden: int = 64
    parametrization: Parametrization = Parametrization.ntk
    weight_std: float = 1.0
    bias_std: float = 0.1

    def __post_init__(self):
        if self.width % self.heads:
            raise ValueError(f"heads = {self.heads} must divide width = {self.width}")

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters; gains 1, offsets 0."""
        d, hidden = self.width, self.hidden
        inside = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "up": (hidden, d), "down": (d, hidden)}
        kernels = {"embed": (d, self.input_shape[1]), "readout": (self.num_outputs, d)}
        kernels |= {f"block{i}/{name}": kernel for i in range(self.depth) for name, kernel in inside.items()}
        layers = init_layers(key, {name: (self._scale(), kernel) for name, kernel in kernels.items()})
        params: Params = {name: layers[name] for name in ("embed", "readout")} | {"norm": init_layer_norm(d)}
        for i in range(self.depth):
            block: Params = {name: layers[f"block{i}/{name}"] for name in inside}
            params[f"block{i}"] = block | {"norm1": init_layer_norm(d), "norm2": init_layer_norm(d)}
        return params

    def apply(self, params: Params, x: Float[Array, "*axes"]) -> Float[Array, " K"]:
        """Outputs of one example."""
        tokens = x.reshape(self.input_shape)
        h = linear(self._scale(), params["embed"], tokens)
        h = h + jnp.asarray(positions(self.input_shape[0], self.width), h.dtype)
        for i in range(self.depth):
            block = params[f"block{i}"]
            h = h + self._attention(block, layer_norm(block["norm1"], h))
            hidden = jax.nn.gelu(linear(self._scale(), block["up"], layer_norm(block["norm2"], h)), approximate=False)
            h = h + linear(self._scale(), block["down"], hidden)
        return linear(self._scale(), params["readout"], layer_norm(params["norm"], h).mean(0))

    def _attention(self, block: Params, h: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        head_size = self.width // self.heads
        q, k, v = (linear(self._scale(), block[name], h).reshape(-1, self.heads, head_size) for name in "qkv")
        weights = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) / sqrt(head_size), axis=-1)
        mixed = jnp.einsum("hts,shd->thd", weights, v).reshape(-1, self.width)
        return linear(self._scale(), block["o"], mixed)

    def _scale(self) -> Scale:
        return Scale(self.weight_std, self.bias_std, one_of("parametrization", self.parametrization, Parametrization))


def positions(tokens: int, width: int) -> np.ndarray:
    """Fixed positions `(tokens, width)`: sin and cos of t/10000^{2i/width} in alternation [Vaswani et al. 2017].

    Fixed, not trained: a trained table would be a 2-D leaf that is no weight matrix of any layer.
    """
    channel = np.arange(width)
    angle = np.arange(tokens)[:, None] / 10_000.0 ** (2 * (channel // 2) / width)
    return np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))
