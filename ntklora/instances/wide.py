"""A wide MLP from its adapted layer on, in the coordinates that training moves: exact, at a cost linear in the width.

The second hidden weight W of the MLP (64, n, n, 1) is adapted. Its inputs a_i do not depend on it, so with orthonormal
columns Q whose span holds the training inputs and the right factor that LoRA starts from, every iterate of LoRA and of
full fine-tuning is `δ = δ' Qᵀ` [derived, theory §1.1: there of the linearized network, here of the true one, whose
gradient at any δ is Σ b_i a_iᵀ too]. Hence

    f(x) = R φ(rest(x) + W' z(x)),    W' = W Q,    z = Qᵀ a,    rest = W (I − QQᵀ) a + shift

is the same training problem in (n, k) numbers instead of n², with the same ‖δ‖_F, kernel and predictions everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache, partial
from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.arguments import one_of
from ntklora.instances.digits import Labels, digits_task
from ntklora.models import MLP

Array = Any


class Activation(StrEnum):
    """φ: with a kink at 0, or smooth."""

    relu = "relu"
    tanh = "tanh"


class Scaling(StrEnum):
    """The readout's factor: 1/√n, under which training becomes linear with width, or 1/n, under which it does not."""

    ntk = "ntk"
    mean_field = "mean_field"


class WideNetwork(NamedTuple):
    """`f(params, x)` on training and held-out digits; the target is the leaf `"w"` of `params`.

    `right (k, r)` are the given directions in the coordinates of `w`, and `weight_norm` is ‖W‖_F of the whole weight.
    """

    f: Callable[[Any, Any], Any]
    params: dict[str, Array]
    x: dict[str, Array]
    y: Array
    held_out: dict[str, Array]
    right: Array
    weight_norm: float


def wide_network(
    width: int,
    directions: Array,
    key: Array,
    *,
    activation: Activation | str,
    scaling: Scaling | str = Scaling.ntk,
    num_samples: int,
    num_held_out: int,
    seed: int,
    label_scale: float = 1.0,
    centred: bool = True,
    rows: int | None = None,
) -> WideNetwork:
    """The MLP of this width drawn from `key`, on two classes of digits drawn from `seed`, labels ±`label_scale`.

    `directions (width, r)` is the right factor that LoRA will start from; none (r = 0) for full fine-tuning.
    `centred`: outputs at the start are taken away. `rows`: units of weight 0 up to this many, so that several widths
    share one compilation; they have no gradient and stay.
    Errors: `ValueError` for fewer units than training inputs and directions, or `rows` below `width`.
    """
    columns, rows = num_samples + directions.shape[1], width if rows is None else rows
    if width < columns or rows < width:
        raise ValueError(f"width = {width} must be at least N + r = {columns} and at most rows = {rows}")
    data = digits_task(num_samples + num_held_out, 1, "squared", Labels.true, seed)
    activation = one_of("activation", activation, Activation)
    model = _model(width, activation, one_of("scaling", scaling, Scaling))
    params = _drawn(width, key)
    layer = jax.device_get(_layer(model, params, data.x))
    w, a = np.asarray(params["hidden1"]["w"]), layer["a"]
    basis = np.linalg.qr(np.concatenate([a[:num_samples].T, directions], 1))[0]
    z, adapted = a @ basis, w @ basis
    rest = layer["h"] - z @ adapted.T
    examples = {
        "z": z,
        "rest": np.pad(rest, ((0, 0), (0, rows - width))),
        "offset": layer["f"] if centred else np.zeros_like(layer["f"]),
    }
    readout = np.pad(layer["readout"], ((0, 0), (0, rows - width)))
    head = {"w": np.pad(adapted, ((0, rows - width), (0, 0))), "readout": readout, "shift": layer["shift"]}
    return WideNetwork(
        _head(activation),
        head,
        {name: part[:num_samples] for name, part in examples.items()},
        label_scale * data.y[:num_samples],
        {name: part[num_samples:] for name, part in examples.items()},
        basis.T @ directions,
        float(np.linalg.norm(w)),
    )


_PHI: dict[Activation, Callable[[Array], Array]] = {Activation.relu: jax.nn.relu, Activation.tanh: jnp.tanh}


def _model(width: int, activation: Activation, scaling: Scaling) -> MLP:
    readout = 1.0 if scaling is Scaling.ntk else 1.0 / sqrt(width)
    return MLP((64, width, width, 1), _PHI[activation], readout_std=readout)


# One draw for all activations and scalings, which enter after it, and for both methods.
@lru_cache(maxsize=1)
def _draw(width: int, key: tuple[int, ...]) -> Any:
    return jax.jit(MLP((64, width, width, 1)).init)(jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32)))


def _drawn(width: int, key: Array) -> Any:
    return _draw(width, tuple(int(word) for word in np.asarray(jax.random.key_data(key))))


@partial(jax.jit, static_argnums=0)
def _layer(model: MLP, params: Any, x: Array) -> dict[str, Array]:
    """Inputs `a` (scaled as the layer scales them), preactivations `h`, the effective readout, its bias, outputs."""
    w, b = params["hidden1"]["w"], model.bias_std * params["hidden1"]["b"]
    units = model.sizes[1]
    factor = model.weight_std / sqrt(units)
    first = MLP((*model.sizes[:1], units), readout_std=model.weight_std, bias_std=model.bias_std)
    a = factor * model.activation(jax.vmap(lambda one: first.apply({"readout": params["hidden0"]}, one))(x))
    return {
        "a": a,
        "h": a @ w.T + b,
        "readout": model.readout_std / sqrt(units) * params["readout"]["w"],
        "shift": model.bias_std * params["readout"]["b"],
        "f": jax.vmap(model.apply, (None, 0))(params, x),
    }


# The same object every time: whatever is compiled for it is compiled once.
@lru_cache
def _head(activation: Activation) -> Callable[[Any, Any], Array]:
    phi = _PHI[activation]

    def head(params: dict[str, Array], x: dict[str, Array]) -> Array:
        hidden = phi(x["rest"] + params["w"] @ x["z"])
        return params["readout"] @ hidden + params["shift"] - x["offset"]

    return head
