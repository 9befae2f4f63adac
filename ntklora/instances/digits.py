"""Linearized networks on real images: the instances whose landscape the theorems are checked on.

A small network at a random initialization, the weights that LoRA adapts, a few of scikit-learn's digits, their true
labels or the same labels permuted (real inputs without a simple corner to fit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.arguments import one_of
from ntklora.data.dataset import Dataset, balanced_subset, binary_task, class_task, one_hot, random_labels
from ntklora.data.digits import load_digits
from ntklora.models import CNN, MLP, Transformer
from ntklora.problem.objective import lam_max
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.shared import shared
from ntklora.tangent.examples import in_blocks
from ntklora.tangent.features import tangent_features
from ntklora.tangent.operator import TangentOperator

Array = Any
Model = MLP | CNN | Transformer

# Examples of one program: these networks compile for 0.3 to 1.3 s, and take milliseconds for so many.
_EXAMPLES = 64

# Confusable digits first: tasks of few classes then need more than one direction.
_CLASSES = (3, 8, 5, 9, 1, 7, 2, 6, 0, 4)


class Network(StrEnum):
    """Which network is linearized, and (in `adapted`) which of its weights LoRA adapts."""

    mlp = "mlp"
    cnn = "cnn"
    transformer = "transformer"


class Labels(StrEnum):
    """Labels as they are, or permuted at random among the chosen images."""

    true = "true"
    random = "random"


class Pretrained(NamedTuple):
    """A network at its parameters: `apply(params, x) -> (K,)`, and the `targets` adapted by default."""

    apply: Callable[[Any, Any], Any]
    params: Any
    targets: Sequence[str]


def initialized_network(network: Network | str, num_outputs: int, seed: int) -> Pretrained:
    """The network at a random initialization drawn from `seed`.

    MLP 64-64-64-K, its second hidden weight; CNN of two layers with 8 channels, its second kernel; transformer of two
    blocks, query and value of the last one, as JLR adapt them.
    """
    model, targets = _model(one_of("network", network, Network), num_outputs)
    return Pretrained(model.apply, _initialized(model, jax.random.key(seed)), targets)


# The same object for every seed: whatever is compiled for its `apply` is compiled once.
@shared(maxsize=64)
def _model(network: Network, num_outputs: int) -> tuple[Model, tuple[str, ...]]:
    match network:
        case Network.mlp:
            return MLP((64, 64, 64, num_outputs)), ("hidden1/w",)
        case Network.cnn:
            return CNN(num_outputs, channels=(8, 8)), ("conv1/w",)
        case Network.transformer:
            return Transformer(num_outputs), ("block1/q/w", "block1/v/w")


# One program each: operation by operation a network compiles two dozen.
@partial(jax.jit, static_argnums=0)
def _initialized(model: Model, key: Array) -> Any:
    return model.init(key)


@partial(jax.jit, static_argnums=0)
def _outputs(apply: Callable[[Any, Any], Any], params: Any, x: Array) -> Array:
    return jax.vmap(apply, (None, 0))(params, x)


def digits_task(num_samples: int, num_outputs: int, loss: str, labels: Labels | str, seed: int) -> Dataset:
    """`num_samples` digits with targets as `loss` takes them: two classes for `num_outputs` = 1, else one class each.

    Balanced up to one example, drawn from `seed`; random labels are a permutation of the true ones.
    """
    if num_outputs == 1:
        task = binary_task(load_digits(), *_CLASSES[:2])
    else:
        task = class_task(load_digits(), _CLASSES[:num_outputs])
    num_classes = max(num_outputs, 2)
    chosen = balanced_subset(task, -(-num_samples // num_classes), seed)
    chosen = Dataset(chosen.x[:num_samples], chosen.y[:num_samples])
    if one_of("labels", labels, Labels) is Labels.random:
        chosen = random_labels(chosen, seed)
    return Dataset(chosen.x, one_hot(chosen.y, num_outputs)) if loss == "squared" and num_outputs > 1 else chosen


def linearized_digits(
    network: Network | str,
    labels: Labels | str,
    *,
    num_samples: int,
    seed: int,
    num_outputs: int = 1,
    loss: str = "squared",
    lam_ratio: float = 0.01,
) -> Problem:
    """The LoRA problem of a linearized network on digits in the coordinates of its weights, `λ = lam_ratio · λ_max`.

    Errors: `ValueError` for an unknown network or labels, more samples than the classes have, or a loss that does not
    take `num_outputs`.
    """
    data = digits_task(num_samples, num_outputs, loss, labels, seed)
    op, f0 = _tangent_features(one_of("network", network, Network), num_samples, num_outputs, seed)
    problem = Problem(op, f0, data.y, loss, 0.0)
    return problem.with_lam(lam_ratio * lam_max(problem))


# Features depend on neither labels, loss nor λ: grids over those read them again instead of tracing the network again.
@shared(maxsize=64)
def _tangent_features(network: Network, num_samples: int, num_outputs: int, seed: int) -> tuple[TangentOperator, Array]:
    x = digits_task(num_samples, num_outputs, "squared", Labels.true, seed).x
    net = initialized_network(network, num_outputs, seed)
    # Copies of the last image up to a full block, cut off again on the host: all sizes up to a block share a program.
    padded = in_blocks(x, _EXAMPLES).reshape(-1, *x.shape[1:])
    op = tangent_features(net.apply, net.params, padded, targets=net.targets)
    own = np.arange(num_samples)
    return jax.tree.map(np.asarray, op).take(own), np.asarray(_outputs(net.apply, net.params, padded))[own]


def digits_problem(
    network: Network | str,
    labels: Labels | str,
    *,
    num_samples: int,
    seed: int,
    num_outputs: int = 1,
    loss: str = "squared",
    lam_ratio: float = 0.01,
) -> Problem:
    """`linearized_digits` exactly reduced to the span that the data excites: the same optimum and landscape."""
    full = linearized_digits(
        network,
        labels,
        num_samples=num_samples,
        seed=seed,
        num_outputs=num_outputs,
        loss=loss,
        lam_ratio=lam_ratio,
    )
    return reduce_problem(full).problem
