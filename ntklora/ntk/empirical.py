"""The empirical neural tangent kernel of any network `f(params, x)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ntklora.ntk.reading import Reading
from ntklora.tangent.backward.cut import cut_backward
from ntklora.tangent.examples import as_batch, on_device, one_example
from ntklora.tangent.kernels import find_kernels
from ntklora.tangent.targets import PARAMETERS, Targets, given_targets, resolve_targets, split_parameters

Network = Callable[[Any, Any], Any]


def empirical_ntk(
    f: Network, params: Any, x1: Any, x2: Any = None, *, targets: Targets = PARAMETERS, trace: bool = False
) -> Float[Array, "N1 N2 K K"] | Float[Array, "N1 N2"]:
    """The empirical neural tangent kernel.

        Θ_ij,kl = <∂f_k(x1_i)/∂θ, ∂f_l(x2_j)/∂θ>,   shape (N1, N2, K, K)

    With `trace=True`, `Σ_k Θ_ij,kk / K`, shape (N1, N2). `x2=None` is `x2 = x1`; the kernel is then exactly symmetric,
    and half of it is computed. `f(params, x)` takes one example and returns `(K,)`; `targets` as for
    `tangent_features`. Each parameter contributes through the operands of its gradient or through the gradient,
    whichever takes fewer operations; the kernel is filled in blocks.
    Errors: `ValueError` for an unknown target, an `f` that does not return `(K,)`, examples of different shapes.
    Source: [paper, JLR §2, after Jacot, Gabriel, Hongler 2018]; factored form [derived, theory §1.1].

    >>> import numpy as np
    >>> empirical_ntk(lambda p, x: p @ x, np.zeros((1, 2)), np.array([[1.0, 2.0], [3.0, 0.0]]))[:, :, 0, 0].tolist()
    [[5.0, 3.0], [3.0, 9.0]]
    """
    left = as_batch(x1)
    right = None if x2 is None else as_batch(x2)
    if right is not None and one_example(left) != one_example(right):
        raise ValueError(
            f"x1 and x2 must hold examples of one shape and type, got {one_example(left)} and {one_example(right)}"
        )
    return _compiled(f, on_device(params), left, right, given_targets(targets), trace)


@eqx.filter_jit
def _compiled(f: Network, params: Any, x1: Any, x2: Any, targets: Targets, trace: bool) -> Array:
    parameters, example = split_parameters(params), one_example(x1)
    shapes = {name: array.shape for name, array in parameters.arrays.items()}
    names = resolve_targets(targets, shapes, find_kernels(f, parameters, example))
    n1, n2 = (jax.tree.leaves(x)[0].shape[0] for x in (x1, x1 if x2 is None else x2))
    reading = Reading(cut_backward(f, parameters, names, example), trace, n1 * n2 / (n1 + n2))
    return reading.kernel(x1, x2)[:n1, :n2]
