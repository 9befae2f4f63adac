"""Is it the NTK regime? One call for any network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray

from ntklora.adapters.initializations import Initialization
from ntklora.arrays import outline
from ntklora.problem.losses import Loss
from ntklora.problem.networks import make_problem
from ntklora.regime.departure import Departure, full_departure, lora_departure


class NtkRegime(NamedTuple):
    """How far LoRA and full fine-tuning take a network from its linearization: a `Departure` each."""

    lora: Departure
    full: Departure

    @property
    def summary(self) -> str:
        """What both say at the last recorded step, in plain text."""
        return "\n".join(_said(name, path) for name, path in (("LoRA", self.lora), ("full fine-tuning", self.full)))

    def __repr__(self) -> str:
        return outline(self)


def ntk_regime(
    f: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    y: Any,
    *,
    targets: str | Sequence[str],
    loss: str | Loss,
    lam: float,
    rank: int,
    key: PRNGKeyArray,
    steps: int,
    learning_rate: float | None = None,
    initialization: str | Initialization = "kaiming",
    held_out: Any = None,
    recorded: Sequence[int] | None = None,
) -> NtkRegime:
    """The same LoRA and the same full fine-tuning on `f` and on its linearization at `params`, compared step by step.

    `f(params, x)` takes one example and returns `(K,)`; `params` is any pytree; `x`, `y`, `targets`, `loss`, `lam` are
    those of `make_problem`, `rank`, `key`, `initialization` those of `train_lora`. `held_out` are further examples, on
    which predictions are compared too. See `lora_departure` and `full_departure` (cheaper where one is enough: full
    fine-tuning takes an SVD of every adapted weight in each step). To compare with `f0 = 0` give `centred(f, params)`.
    The answer has `.lora` and `.full`, a `Departure` each, and both in words as `.summary`.
    Errors: those of `make_problem` and `lora_departure`.
    Source: the regime that T1 and T2 [paper, JLR] suppose; orders in width [derived]: `theory.width_orders`.

    A network that is linear in its weights is in the regime for ever:

    >>> import jax, numpy as np
    >>> x, y = np.eye(3), np.array([1.0, -1.0, 1.0])
    >>> answer = ntk_regime(lambda p, x: p @ x, np.zeros((1, 3)), x, y, targets="matrices", loss="squared",
    ...                     lam=0.01, rank=1, key=jax.random.key(0), steps=20)
    >>> bool(answer.lora.kernel_drift.max() < 1e-6), answer.full.end_of_regime(1e-6)
    (True, None)
    """
    problem = make_problem(f, params, x, y, targets=targets, loss=loss, lam=lam)
    return NtkRegime(
        lora_departure(
            f, params, x, problem, rank, key, steps=steps, learning_rate=learning_rate,
            initialization=initialization, held_out=held_out, recorded=recorded,
        ),
        full_departure(
            f, params, x, problem, steps=steps, learning_rate=learning_rate, held_out=held_out, recorded=recorded
        ),
    )  # fmt: skip


def _said(name: str, path: Departure) -> str:
    finite = np.isfinite(path.objective) & np.isfinite(path.linearized_objective)
    if not finite.all():
        which = "the true network" if np.isfinite(path.linearized_objective).all() else "the linearized network"
        return (
            f"{name}: {which} has diverged by step {path.steps[np.argmin(finite)]} with the learning rate "
            f"{path.learning_rate:.3g}: give a smaller learning_rate."
        )
    held_out = "" if path.held_out_distance is None else f" (held-out: {path.held_out_distance[-1]:.2%})"
    return (
        f"{name}, {path.steps[-1]} steps, time {path.time[-1]:.3g}: objective {path.objective[0]:.4g} to "
        f"{path.objective[-1]:.4g}, linearized {path.linearized_objective[-1]:.4g}; outputs of the two differ by "
        f"{path.output_distance[-1]:.2%} of what training changed{held_out}; weights moved by "
        f"{path.weight_change[-1]:.2%}, kernel by {path.kernel_drift[-1]:.2%}, change of the weights apart by "
        f"{path.delta_distance[-1]:.2%}."
    )
