"""The MLP of infinite width: its neural tangent kernel and its Gaussian process, layer by layer, in closed form.

Under the NTK parametrization of `models.MLP`, with preactivations `z_l` of layer l and h_0 = x, in the limit of all
hidden widths

    Σ_0 = σ_w² <x, x'>/n_0 + σ_b²,     Σ_l = σ_l² Λ_l + σ_b²,     Λ_l = E φ(z) φ(z'),   (z, z') ~ N(0, Σ_{l−1})
    B_L = 1,                           B_{l−1} = σ_l² Λ'_l B_l,    Λ'_l = E φ'(z) φ'(z')

with σ_l = σ_w in hidden layers and the readout's own in the last, L. Σ_L is the covariance of each output, `B_l` the
Gram matrix of the signals b_ij = ∂f_j(x_i)/∂z_l of one output j; signals of two outputs are orthogonal (at the readout,
where b_ij = e_j, at any width). So a weight adds `Gram_a ∘ B_l` to the kernel of every output, `Gram_a = Σ_l − σ_b²`, a
bias `σ_b² B_l`. (Neal 1996 and Lee et al. 2018 for the process, Jacot, Gabriel, Hongler 2018 for the kernel; as Gram
factors [derived, theory §1.1, "Infinite width"].)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ntklora.arguments import one_of
from ntklora.models import MLP
from ntklora.models.layers import Parametrization
from ntklora.tangent.targets import PARAMETERS, Targets, resolve_targets, split_parameters
from ntklora.theory.dual_activations import Moments, erf_moments, relu_moments

Array = Any

# Functions that JAX offers under several names.
_MOMENTS: dict[Callable[..., Any], Callable[..., Moments]] = {
    jax.nn.relu: relu_moments,
    jax.lax.erf: erf_moments,
    jax.scipy.special.erf: erf_moments,
}


class LimitGrams(NamedTuple):
    """What a parameter's features are made of in the limit: `inputs` = <a_i, a_k>, `signals` = <b_ij, b_kj>.

    Signals of different outputs are orthogonal.
    """

    inputs: Float[np.ndarray, "N1 N2"]
    signals: Float[np.ndarray, "N1 N2"]


class InfiniteWidth(NamedTuple):
    """The limit at these examples: `grams` by parameter, in the order of the pytree, and the outputs' `covariance`."""

    grams: dict[str, LimitGrams]
    covariance: Float[np.ndarray, "N1 N2"]


def infinite_width(model: MLP, x1: Array, x2: Array | None = None) -> InfiniteWidth:
    """The limit of `model` as its hidden widths grow, whatever they are now, at `x1 (N1, ...)` and `x2 (N2, ...)`.

    Without hidden layers it is the network itself. Errors: `ValueError` for another network, the standard
    parametrization, whose kernel grows with the width, an activation without closed form, examples that do not fit, or
    (ReLU) an input of zeros where there is no bias.
    """
    if not isinstance(model, MLP):
        raise ValueError(f"model must be an MLP of ntklora.models, got {type(model).__name__}: the limit is a formula")
    if one_of("parametrization", model.parametrization, Parametrization) is not Parametrization.ntk:
        raise ValueError("parametrization is standard: its kernel grows with the width; take Parametrization.ntk")
    if model.activation not in _MOMENTS:
        raise ValueError(
            f"no closed form is known for the activation {model.activation}; take jax.nn.relu or jax.lax.erf"
        )
    left = _flat(model, x1)
    right = left if x2 is None else _flat(model, x2)
    bias, fan_in = model.bias_std**2, model.sizes[0]
    shares = [left @ right.T / fan_in, (left**2).sum(1)[:, None] / fan_in, (right**2).sum(1)[None, :] / fan_in]
    if x2 is None:
        np.fill_diagonal(shares[0], shares[1])  # the same number, so that equal arguments are told as such
    depth = len(model.sizes) - 1
    variances = [model.weight_std**2] * (depth - 1) + [model.readout_std**2]
    inputs, slopes = [], []
    for layer, variance in enumerate(variances):
        inputs.append(variance * shares[0])
        across, first, second = (variance * share + bias for share in shares)
        if layer < depth - 1:
            moments = _MOMENTS[model.activation]
            slopes.append(moments(first, across, second).slope)
            shares = [moments(*each).value for each in ((first, across, second), (first,) * 3, (second,) * 3)]
    signals = [np.ones_like(across)]
    for slope, variance in zip(reversed(slopes), reversed(variances)):
        signals.insert(0, variance * slope * signals[0])
    names = [*(f"hidden{layer}" for layer in range(depth - 1)), "readout"]
    grams: dict[str, LimitGrams] = {}
    for name, each, signal in zip(names, inputs, signals):
        if bias > 0:
            grams[f"{name}/b"] = LimitGrams(np.full_like(each, bias), signal)
        grams[f"{name}/w"] = LimitGrams(each, signal)
    return InfiniteWidth(grams, across)


def infinite_width_ntk(
    model: MLP, x1: Array, x2: Array | None = None, *, targets: Targets = PARAMETERS
) -> Float[np.ndarray, "N1 N2 K K"]:
    """The limit of the neural tangent kernel as the hidden widths of an MLP grow: what `empirical_ntk` converges to.

        Θ_ij,kl = δ_kl Σ_(targets) <a_i, a_j> <b_ik, b_jk>,   shape (N1, N2, K, K)

    Activations: ReLU (`jax.nn.relu`) and erf (`jax.lax.erf`). `targets` as for `empirical_ntk`, by the names of the
    model's own parameters. In float64, on the host. Errors: as for `infinite_width`, and for unknown targets.
    Source: Jacot, Gabriel, Hongler 2018; see the module.

    >>> kernel = infinite_width_ntk(MLP((2, 7, 1), bias_std=0.0), np.array([[1.0, 1.0]]), targets="readout/w")
    >>> round(float(kernel[0, 0, 0, 0]), 12)
    1.0
    """
    limit = infinite_width(model, x1, x2)
    scalar = sum(limit.grams[name].inputs * limit.grams[name].signals for name in limit_targets(model, targets))
    return scalar[:, :, None, None] * np.eye(model.sizes[-1])


def limit_targets(model: MLP, targets: Targets) -> tuple[str, ...]:
    """The names of the targeted parameters, as `tangent_features` would have them of the finite network."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    arrays = split_parameters(shapes).arrays
    return resolve_targets(targets, {name: array.shape for name, array in arrays.items()}, {})


def _flat(model: MLP, x: Array) -> np.ndarray:
    rows = np.asarray(x, np.float64)
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] != model.sizes[0]:
        raise ValueError(f"examples have {rows.shape[1]} numbers; the network takes {model.sizes[0]}")
    return rows
