"""Small networks of many makes, each with the layout that its features must have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from ntklora.models import CNN, MLP, Transformer
from ntklora.tangent.targets import split_parameters

FACTORED, DENSE = "factored", "dense"
KEY = jax.random.key(0)


class Case(NamedTuple):
    """A network, its parameters, a few examples, and the layout of its matrices' features."""

    f: Callable[[Any, Any], Any]
    params: Any
    x: Any
    layout: dict[str, str]


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng([seed, *shape]).normal(size=shape) / np.sqrt(shape[-1] if shape else 1))


def drawn(init, *args):
    """Random parameters in the shapes that `init` gives, which is not run: its compilation would take longest."""
    shapes = eqx.filter_eval_shape(init, *args)
    return jax.tree.map(lambda leaf: draw(*leaf.shape) if hasattr(leaf, "shape") else leaf, shapes)


@cache
def jacobian(name: str) -> dict[str, np.ndarray]:
    """`∂f_j(x_i)/∂leaf` for every leaf, by reverse-mode differentiation: `{name: (N, K, *leaf)}`, on the host."""
    case = CASES[name]()
    parameters = split_parameters(case.params)
    rows = jax.vmap(jax.jacrev(lambda arrays, x: case.f(parameters.rebuild(arrays), x)), (None, 0))
    return jax.tree.map(np.asarray, jax.jit(rows)(parameters.arrays, case.x))


def own_mlp():
    net = MLP((5, 6, 4, 3))
    return Case(
        net.apply, drawn(net.init, KEY), draw(3, 5), {f"{n}/w": FACTORED for n in ("hidden0", "hidden1", "readout")}
    )


def own_cnn():
    net = CNN(2, (3, 4), (1, 5, 5))
    layout = {f"{n}/w": FACTORED for n in ("conv0", "conv1", "readout")}
    return Case(net.apply, drawn(net.init, KEY), draw(3, 25), layout)


def own_transformer():
    net = Transformer(2, (3, 4), 4, 2, 1, 6)
    names = ["embed", "readout", *(f"block0/{n}" for n in ("q", "k", "v", "o", "up", "down"))]
    return Case(net.apply, drawn(net.init, KEY), draw(3, 12), {f"{n}/w": FACTORED for n in names})


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(4, (3, 3), strides=(2, 1))(x))
        x = linen.LayerNorm()(x.reshape(-1, 4))
        x = x + linen.MultiHeadDotProductAttention(num_heads=2)(x[None])[0]
        return linen.Dense(2)(linen.gelu(x).mean(0))


def flax_linen():
    net, x = LinenNet(), draw(3, 5, 4, 2)
    params = drawn(net.init, KEY, x[0])
    layout = {f"params/{name}/kernel": FACTORED for name in ("Conv_0", "Dense_0")}
    # The heads' biases are 2-D leaves, but are added.
    layout |= {f"params/MultiHeadDotProductAttention_0/{name}/bias": DENSE for name in ("key", "query", "value")}
    return Case(net.apply, params, x, layout)


def flax_nnx():
    def init():
        return nnx.Sequential(nnx.Linear(4, 5, rngs=nnx.Rngs(0)), jnp.tanh, nnx.Linear(5, 2, rngs=nnx.Rngs(1)))

    graph, shapes = nnx.split(nnx.eval_shape(init))
    state = jax.tree.map(lambda leaf: draw(*leaf.shape), shapes)
    layout = {name: FACTORED for name in split_parameters(state).arrays if "kernel" in name}
    return Case(lambda params, x: nnx.merge(graph, params)(x), state, draw(3, 4), layout)


class EquinoxNet(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP  # it keeps its activation, a function, among its leaves

    def __init__(self, key):
        self.conv = eqx.nn.Conv2d(2, 4, 3, key=key)
        self.norm = eqx.nn.LayerNorm(4)
        self.mlp = eqx.nn.MLP(4, 2, 3, 1, key=key)

    def __call__(self, x):
        return self.mlp(self.norm(jax.nn.relu(self.conv(x)).mean((1, 2))))


def equinox_module():
    layout = dict.fromkeys(("conv/weight", "mlp/layers/0/weight", "mlp/layers/1/weight"), FACTORED)
    return Case(lambda net, x: net(x), drawn(EquinoxNet, KEY), draw(3, 2, 5, 4), layout)


def scan_over_layers():
    def f(params, x):
        def layer(h, w):
            return jnp.tanh(w["w"] @ h + w["b"] + params["shared"] @ h), None

        h, _ = lax.scan(jax.checkpoint(layer), x, params["stack"])
        return params["head"] @ h

    stack = {"w": draw(3, 4, 4), "b": draw(3, 4)}
    params = {"stack": stack, "shared": draw(4, 4), "head": draw(2, 4)}
    # A bias stacked in the loop is a 2-D leaf, but no matrix multiplies anything.
    return Case(f, params, draw(3, 4), {"shared": FACTORED, "head": FACTORED, "stack/b": DENSE})


def recurrent():
    def f(params, x):
        _, outputs = lax.scan(lambda h, u: (jnp.tanh(params["w"] @ h + u @ params["u"]),) * 2, jnp.zeros(4), x)
        return params["head"] @ outputs.sum(0)

    params = {"w": draw(4, 4), "u": draw(3, 4), "head": draw(2, 4)}
    return Case(f, params, draw(3, 5, 3), {"w": FACTORED, "u": FACTORED, "head": FACTORED})


def fori_loop():
    return Case(
        lambda w, x: lax.fori_loop(0, 3, lambda i, h: jnp.tanh(w @ h) / (i + 1), x)[:2],
        draw(4, 4),
        draw(3, 4),
        {"": FACTORED},
    )


def tied_weights():
    def f(params, x):
        w = params["w"]
        return (w @ jnp.tanh(w.T @ jnp.tanh(w @ x)))[:2]

    return Case(f, {"w": draw(5, 4)}, draw(3, 4), {"w": FACTORED})


def tied_embedding():
    def f(params, tokens):
        h = params["e"][tokens] @ params["w"]
        return params["e"][:3] @ jax.nn.gelu(h).mean(0)

    tokens = jnp.asarray(np.random.default_rng(5).integers(0, 6, (3, 4)))
    return Case(f, {"e": draw(6, 5), "w": draw(5, 5)}, tokens, {"e": FACTORED, "w": FACTORED})


def einsum_attention():
    def f(params, x):
        q, k, v = (jnp.einsum("ti,hdi->htd", x, params[name].reshape(2, 2, 4)) for name in "qkv")
        mixed = jnp.einsum("hts,hsd->thd", jax.nn.softmax(jnp.einsum("htd,hsd->hts", q, k)), v)
        return jnp.einsum("thd,hdo->to", mixed, params["o"]).mean(0)

    params = {**{name: draw(4, 4, seed=i) for i, name in enumerate("qkv")}, "o": draw(2, 2, 3)}
    return Case(f, params, draw(3, 3, 4), {"q": FACTORED, "k": FACTORED, "v": FACTORED})


def fused_attention():
    def f(params, x):
        q, k = x @ params["qkv"][:, :3], x @ lax.dynamic_slice_in_dim(params["qkv"], 3, 3, axis=1)
        v = x @ jnp.split(params["qkv"], 3, axis=1)[2]
        return (jax.nn.softmax(q @ k.T) @ v).mean(0)

    return Case(f, {"qkv": draw(4, 9)}, draw(3, 3, 4), {"qkv": FACTORED})


def scaled_weight():
    def f(params, x):
        h = jnp.tanh((params["s"] * params["w"]) @ x)
        h = jnp.tanh((params["rows"][:, None] * params["w"] / 3) @ h)
        return jnp.stack([params["head"][1], -params["head"][0]]) @ (params["a"] @ (params["b"] @ h))

    params = {"s": draw(), "rows": draw(4), "w": draw(4, 4), "head": draw(2, 4), "a": draw(4, 2), "b": draw(2, 4)}
    return Case(f, params, draw(3, 4), dict.fromkeys(("w", "head", "a", "b"), FACTORED))


def low_rank_adapter():
    def f(params, x):
        return jnp.tanh((params["w0"] + 2.0 * params["b"] @ params["a"]) @ x)

    params = {"w0": draw(3, 4), "b": draw(3, 2), "a": draw(2, 4)}
    return Case(f, params, draw(3, 4), dict.fromkeys(params, FACTORED))


def _convolution(**options):
    def f(params, x):
        options_ = {"window_strides": (1, 1), "padding": "SAME", **options}
        x = lax.conv_general_dilated(x[None], params["k"], dimension_numbers=("NHWC", "HWIO", "NHWC"), **options_)
        return params["r"] @ jnp.tanh(x[0]).mean((0, 1))

    groups = options.get("feature_group_count", 1)
    params = {"k": draw(3, 2, 4 // groups, 4), "r": draw(2, 4)}
    return Case(f, params, draw(3, 6, 5, 4), {"k": FACTORED, "r": FACTORED})


def standardized_kernel():
    def f(params, x):
        k = params["k"] - params["k"].mean((1, 2), keepdims=True)
        return params["r"] @ jnp.tanh(lax.conv_general_dilated(x[None], k, (2,), "SAME")[0]).mean(1)

    return Case(f, {"k": draw(4, 2, 3), "r": draw(2, 4)}, draw(3, 2, 7), {"k": FACTORED, "r": FACTORED})


def vmapped_heads():
    def f(params, x):
        heads = jax.vmap(lambda w, y: jnp.tanh(params["in"] @ y) @ w, (0, None))(params["heads"], x)
        return jax.vmap(lambda h: params["out"] @ h)(heads).sum(0)

    params = {"in": draw(5, 4), "heads": draw(2, 5, 3), "out": draw(2, 3)}
    return Case(f, params, draw(3, 4), {"in": FACTORED, "out": FACTORED})


def remat():
    def f(params, x):
        block = jax.checkpoint(lambda p, h: jnp.tanh(p["b"] @ jax.nn.silu(p["a"] @ h)))
        return params["head"] @ block(params, jax.jit(block)(params, x))

    params = {"a": draw(5, 4), "b": draw(4, 5), "head": draw(2, 4)}
    return Case(f, params, draw(3, 4), dict.fromkeys(params, FACTORED))


@jax.custom_jvp
def straight_through(x):
    return jnp.sign(x)


straight_through.defjvp(lambda primals, tangents: (straight_through(*primals), jnp.tanh(primals[0]) * tangents[0]))


def custom_jvp():
    params = {"w": draw(5, 4), "r": draw(2, 5)}
    return Case(lambda p, x: p["r"] @ straight_through(p["w"] @ x), params, draw(3, 4), {"w": FACTORED, "r": FACTORED})


@jax.custom_vjp
def doubled(w, x):
    return w @ x


# Its backward pass is not the derivative: only reading the rule itself gives these features.
doubled.defvjp(lambda w, x: (w @ x, (w, x)), lambda kept, ct: (2.0 * jnp.outer(ct, kept[1]), kept[0].T @ ct))


def custom_vjp():
    params = {"w": draw(5, 4), "r": draw(2, 5)}
    return Case(lambda p, x: p["r"] @ jnp.tanh(doubled(p["w"], x)), params, draw(3, 4), {"w": FACTORED, "r": FACTORED})


def branches():
    def f(params, x):
        h = lax.cond(x[0] > 0, lambda h: jnp.tanh(params["w"] @ h), lambda h: params["w"] @ h / 2, x)
        return jnp.where(x[1] > 0, params["r"] @ h, params["r"] @ jnp.sin(h))

    params = {"w": draw(5, 4), "r": draw(2, 5), "unused": draw(2, 2)}
    return Case(f, params, draw(3, 4), dict.fromkeys(params, FACTORED))


CASES: dict[str, Callable[[], Case]] = {
    "own mlp": own_mlp,
    "own cnn": own_cnn,
    "own transformer": own_transformer,
    "flax linen": flax_linen,
    "flax nnx": flax_nnx,
    "equinox": equinox_module,
    "scan over layers": scan_over_layers,
    "recurrent": recurrent,
    "fori_loop": fori_loop,
    "tied weights": tied_weights,
    "tied embedding": tied_embedding,
    "einsum attention": einsum_attention,
    "fused attention": fused_attention,
    "scaled weight": scaled_weight,
    "low-rank adapter": low_rank_adapter,
    "strided convolution": partial(_convolution, window_strides=(2, 3)),
    "dilated convolution": partial(_convolution, rhs_dilation=(2, 1)),
    "transposed convolution": partial(_convolution, lhs_dilation=(2, 2), padding=[(1, 2), (1, 1)]),
    "grouped convolution": partial(_convolution, feature_group_count=2),
    "standardized kernel": standardized_kernel,
    "vmapped heads": vmapped_heads,
    "remat": remat,
    "custom_jvp": custom_jvp,
    "custom_vjp": custom_vjp,
    "branches": branches,
}
