"""How far the true network departs from its linearization while both are trained in the same way.

Compared at the same step, hence at the same gradient-flow time (learning rate × step). Distances of outputs are
relative to how far training has moved the linearized outputs, those of δ to the size of the linearized δ: both networks
start together, so that a distance relative to the outputs themselves would flatter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from ntklora.adapters.initializations import Initialization, resolve_initialization
from ntklora.adapters.training import train_factors
from ntklora.arguments import require_key, require_rate, whole_number
from ntklora.arrays import outline
from ntklora.ntk.empirical import empirical_ntk
from ntklora.problem.problem import Problem
from ntklora.problem.smoothness import loss_smoothness
from ntklora.regime.methods import FactorDescent, LinearizedOutputs, Method, ProximalDescent, TrueOutputs
from ntklora.tangent.delta import apply_delta
from ntklora.tangent.examples import as_batch, on_device
from ntklora.tangent.linearize import linearize
from ntklora.tangent.targets import split_parameters

Array = Any
Network = Callable[[Any, Any], Any]

# Outputs of the same network in float32, or in another order, agree to this.
_ALIKE = 1e-3
# Machine epsilons, relative to the outputs' norm, by which two programs of one network may differ.
_ROUNDING = 32
RECORDED = 24  # steps at which the networks are compared, unless the caller names them


class Departure(NamedTuple):
    """One training on both networks, at `S` recorded steps; arrays `(S,)` in NumPy unless said otherwise.

    `time` is learning rate × step. `objective` and `linearized_objective` are F of the true and of the linearized
    network, `change` and `linearized_change` are ‖δ‖_F (all weights together), `weight_norm` is ‖W0‖_F of the adapted
    weights. `kernel_drift` is ‖Θ(W0+δ) − Θ(W0)‖_F/‖Θ(W0)‖_F on the training data, of the true network. With z the
    outputs of the true network and z_lin those of the linearized one, `output_distance` is
    ‖z − z_lin‖_F/‖z_lin − f0‖_F on the training data, `held_out_distance` the same on the held-out examples (None
    without any); `delta_distance` is ‖δ − δ_lin‖_F/‖δ_lin‖_F. 0/0 counts as 0.
    """

    steps: Array
    time: Array
    objective: Array
    linearized_objective: Array
    change: Array
    linearized_change: Array
    weight_norm: float
    kernel_drift: Array
    output_distance: Array
    held_out_distance: Array | None
    delta_distance: Array
    learning_rate: float

    @property
    def weight_change(self) -> Array:
        """`‖δ‖_F/‖W0‖_F` of the true network."""
        return self.change / self.weight_norm

    def end_of_regime(self, tolerance: float = 0.1) -> float | None:
        """The first recorded time at which outputs, on training or held-out data, are further apart than `tolerance`.

        None where they never are.
        """
        distance = self.output_distance if self.held_out_distance is None else self.held_out_distance
        # NaN, of a diverged network, compares false: it is no agreement.
        beyond = ~(np.maximum(self.output_distance, distance) <= tolerance)
        return float(self.time[np.argmax(beyond)]) if beyond.any() else None

    def __repr__(self) -> str:
        return outline(self)


def lora_departure(
    f: Network,
    params: Any,
    x: Any,
    problem: Problem,
    rank: int,
    key: PRNGKeyArray,
    *,
    steps: int,
    learning_rate: float | None = None,
    initialization: str | Initialization = "kaiming",
    held_out: Any = None,
    recorded: Sequence[int] | None = None,
) -> Departure:
    """LoRA of rank r on `f` and on its linearization: same factors to begin with, same λ, same steps.

    `problem` is that of `f` at `params` on `x` (`make_problem`). Without a learning rate both take the one that
    `train_lora` finds for the linearized problem; nothing keeps the true network's objective from rising under it,
    which `objective` shows. `recorded` are rising steps from 0 to `steps` (default: 0, then about 24 evenly in the
    logarithm, the last one included). Cost: per step one forward and backward pass of `f` over the data.
    Errors: `ValueError` for a rank below 1, an unknown initialization, `recorded` outside 0 … `steps`, a perturbed
    problem, one that was made of other parameters or examples, held-out examples of another shape.
    """
    rank = whole_number("rank", rank, 1)
    require_key(key)
    _check(f, params, x, problem, held_out)
    us, vs = resolve_initialization(initialization)(problem, rank, key)
    rate: Any = learning_rate
    if rate is None:
        op = problem.op
        rate = train_factors(problem, op.like(us), op.like(vs), steps=steps, kept=(steps,)).learning_rate
    return _follow(f, params, x, FactorDescent(problem, us, vs), rate, steps, held_out, recorded)


def full_departure(
    f: Network,
    params: Any,
    x: Any,
    problem: Problem,
    *,
    steps: int,
    learning_rate: float | None = None,
    held_out: Any = None,
    recorded: Sequence[int] | None = None,
) -> Departure:
    """Full fine-tuning with the nuclear norm on `f` and on its linearization, by the same proximal gradient steps.

    As `lora_departure`; the learning rate is that of `train_full`, `1/β` of the linearized problem, unless given. Cost:
    beside the passes of `f`, an SVD of every adapted weight in each step.
    """
    _check(f, params, x, problem, held_out)
    rate = 1.0 / _smoothness(problem) if learning_rate is None else learning_rate
    return _follow(f, params, x, ProximalDescent(problem), rate, steps, held_out, recorded)


# One compilation instead of one for each of its operations.
_smoothness = jax.jit(loss_smoothness)


def _check(f: Network, params: Any, x: Any, problem: Problem, held_out: Any) -> None:
    if problem.perturbation is not None:
        raise ValueError("the regime is that of the unperturbed problem: give one without a perturbation")
    leaves = split_parameters(params).arrays
    unknown = sorted(set(problem.op.blocks) - set(leaves))
    if unknown:
        raise ValueError(
            f"the problem adapts {unknown}, no leaves of params; make it of the same network: make_problem(f, params)"
        )
    if held_out is not None and _example(held_out) != _example(x):
        raise ValueError(f"held_out must hold examples like those of x, got {_example(held_out)} and {_example(x)}")
    outputs, f0 = np.asarray(_outputs(f, on_device(params), as_batch(x))), np.asarray(problem.f0)
    if outputs.shape != f0.shape or np.abs(outputs - f0).max() > _ALIKE * max(1.0, np.abs(f0).max()):
        raise ValueError(
            "the outputs of f at params on x are not the problem's f0: make it of the same network, parameters and "
            "examples, make_problem(f, params, x, y)"
        )


def _example(batch: Any) -> str:
    """Shapes of one example, in words."""
    return str(jax.tree.map(lambda leaf: leaf.shape[1:], as_batch(batch)))


@eqx.filter_jit
def _outputs(f, params, x):
    return jax.vmap(f, (None, 0))(params, x)


def _follow(
    f: Network, params: Any, x: Any, method: Method, rate: Any, steps: int, held_out: Any, recorded: Any
) -> Departure:
    steps = whole_number("steps", steps, 0)
    require_rate(rate)
    wanted = default_steps(steps) if recorded is None else tuple(int(step) for step in recorded)
    if not wanted or list(wanted) != sorted(set(wanted)) or wanted[0] < 0 or wanted[-1] > steps:
        raise ValueError(f"recorded = {recorded}: expected rising steps from 0 to {steps}")
    dtype = jnp.asarray(method.problem.f0).dtype
    lengths = jnp.asarray(np.diff((0, *wanted)))
    batch, other = as_batch(x), None if held_out is None else as_batch(held_out)
    found = jax.device_get(_measured(f, on_device(params), batch, other, method, jnp.asarray(rate, dtype), lengths))
    found = {name: np.asarray(value) for name, value in found.items()}
    return Departure(
        steps=np.asarray(wanted),
        time=float(rate) * np.asarray(wanted),
        weight_norm=float(found.pop("weight_norm")),
        held_out_distance=found.pop("held_out_distance", None),
        learning_rate=float(rate),
        **found,
    )


def default_steps(steps: int) -> tuple[int, ...]:
    """0, then about `RECORDED` steps evenly spaced in the logarithm, the last one included.

    >>> default_steps(3)
    (0, 1, 2, 3)
    """
    spaced = np.round(np.geomspace(1, max(steps, 1), RECORDED)).astype(int)
    return tuple(int(step) for step in np.unique([0, *spaced.clip(max=steps)]))


@eqx.filter_jit
def _measured(f, params, x, held_out, method, rate, lengths):
    """The measures at the end of each stretch of `lengths` steps, both networks one beside the other."""
    problem = method.problem
    names = tuple(problem.op.blocks)
    true, linear = TrueOutputs(f, params, x, problem), LinearizedOutputs(problem)
    start_kernel = empirical_ntk(f, params, x, targets=names)
    f_lin = jax.vmap(linearize(f, params), (None, 0))
    f_all = jax.vmap(f, (None, 0))

    def advance(_, states):
        return method.step(true, states[0], rate), method.step(linear, states[1], rate)

    def stretch(states, length):
        states = jax.lax.fori_loop(0, length, advance, states)
        moved, moved_linear = (method.deltas(state) for state in states)
        at, at_linear = (apply_delta(params, deltas, problem.op) for deltas in (moved, moved_linear))
        linear_outputs = linear(moved_linear)
        measures = {
            "objective": method.objective(true, states[0]),
            "linearized_objective": method.objective(linear, states[1]),
            "change": _norm(moved),
            "linearized_change": _norm(moved_linear),
            "kernel_drift": _ratio(_norm(empirical_ntk(f, at, x, targets=names) - start_kernel), _norm(start_kernel)),
            "output_distance": _apart(true(moved), linear_outputs, problem.f0),
            "delta_distance": _ratio(_norm(jax.tree.map(jnp.subtract, moved, moved_linear)), _norm(moved_linear)),
        }
        if held_out is not None:
            expected = f_lin(at_linear, held_out)
            measures["held_out_distance"] = _apart(f_all(at, held_out), expected, f_all(params, held_out))
        return states, measures

    _, found = jax.lax.scan(stretch, (method.start(), method.start()), lengths)
    arrays = split_parameters(params).arrays
    return {**found, "weight_norm": _norm({name: arrays[name] for name in names})}


def _apart(outputs: Array, linear: Array, start: Array) -> Array:
    """Distance of the outputs relative to how far the linearized ones have moved; what is rounding counts as 0.

    At the start nothing has moved, but the same network in two programs agrees to rounding only.
    """
    distance = _norm(outputs - linear)
    rounding = _ROUNDING * jnp.finfo(start.dtype).eps * _norm(start)
    return _ratio(jnp.where(distance <= rounding, 0.0, distance), _norm(linear - start))


def _norm(tree: Any) -> Array:
    """Frobenius norm of all arrays together."""
    return jnp.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(tree)))


def _ratio(distance: Array, size: Array) -> Array:
    """`distance/size`, 0 where there is no distance at all (the two networks at the start)."""
    return jnp.where(distance == 0, 0.0, distance / size)
