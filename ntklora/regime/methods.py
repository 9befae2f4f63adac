"""Two ways to train, for any map from a change of the weights to outputs: the linearized network's, or the true one's.

    LoRA               F(u, v) = L(z(u vᵀ)) + (λ/2)(‖u‖² + ‖v‖²)       gradient descent on both factors
    full fine-tuning   F(δ)    = L(z(δ)) + λ ‖δ‖_*                      δ ← prox_{ηλ‖·‖_*}(δ − η ∇L(z(δ)))

with `z(δ) = f0 + A(δ)` (linearized) or `z(δ) = f(W0 + δ)` (true). Nothing else differs between the two networks: same
loss, same penalty, same start, same step, so that the same step is the same gradient-flow time.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ntklora.problem.objective import factor_penalty, merge_factors, nuclear_norm, training_loss
from ntklora.problem.problem import Problem
from ntklora.solvers.proximal import shrink_singular_values
from ntklora.tangent.delta import apply_delta

Array = Any
Matrices = dict[str, Any]
State = Any  # a pytree of arrays: what a method moves


class Outputs(eqx.Module):
    """A map from a change of the weights, given whole or as factors, by name, to the outputs `(N, K)` on the data."""

    @abc.abstractmethod
    def __call__(self, deltas: Matrices) -> Array:
        """`z(δ)`."""

    @abc.abstractmethod
    def of_factors(self, us: Matrices, vs: Matrices) -> Array:
        """`z(u vᵀ)`."""


class LinearizedOutputs(Outputs):
    """`f0 + A(δ)`."""

    problem: Problem

    def __call__(self, deltas: Matrices) -> Array:
        """By the tangent operator."""
        op = self.problem.op
        return self.problem.f0 + op.apply(op.like(deltas))

    def of_factors(self, us: Matrices, vs: Matrices) -> Array:
        """The product is not formed where the features are factored."""
        op = self.problem.op
        return self.problem.f0 + op.apply_factors(op.like(us), op.like(vs))


class TrueOutputs(Outputs):
    """`f(W0 + δ, x_i)`."""

    f: Callable[[Any, Any], Any]
    params: Any
    x: Any
    problem: Problem

    def __call__(self, deltas: Matrices) -> Array:
        """The network itself at the adapted weights."""
        return jax.vmap(self.f, (None, 0))(apply_delta(self.params, deltas, self.problem.op), self.x)

    def of_factors(self, us: Matrices, vs: Matrices) -> Array:
        """At the product of the factors."""
        return self(merge_factors(us, vs))


class Method(eqx.Module):
    """A way to train on a problem's loss and penalty, whatever maps δ to outputs."""

    problem: Problem

    @abc.abstractmethod
    def start(self) -> State:
        """Where training begins."""

    @abc.abstractmethod
    def step(self, outputs: Outputs, state: State, rate: Array) -> State:
        """One step of size `rate`."""

    @abc.abstractmethod
    def objective(self, outputs: Outputs, state: State) -> Array:
        """What the method descends on."""

    @abc.abstractmethod
    def deltas(self, state: State) -> Matrices:
        """The change of each weight, by name."""


class FactorDescent(Method):
    """LoRA: gradient descent on `L(z(u vᵀ)) + (λ/2)(‖u‖² + ‖v‖²)` from the factors given by name."""

    us: Matrices
    vs: Matrices

    def start(self) -> State:
        """The factors given."""
        return self.us, self.vs

    def step(self, outputs: Outputs, state: State, rate: Array) -> State:
        """Both factors at once."""
        slopes = jax.grad(lambda factors: self.objective(outputs, factors))(state)
        return jax.tree.map(lambda x, slope: x - rate * slope, state, slopes)

    def objective(self, outputs: Outputs, state: State) -> Array:
        """`F(u, v)`."""
        us, vs = state
        op = self.problem.op
        return training_loss(self.problem, outputs.of_factors(us, vs)) + factor_penalty(
            self.problem, op.like(us), op.like(vs)
        )

    def deltas(self, state: State) -> Matrices:
        """`u vᵀ`."""
        return merge_factors(*state)


class ProximalDescent(Method):
    """Full fine-tuning: proximal gradient on `L(z(δ)) + λ‖δ‖_*` from `δ = 0`; a step takes an SVD of every weight."""

    def start(self) -> State:
        """Zero."""
        dtype = jnp.asarray(self.problem.f0).dtype
        return {name: jnp.zeros(shape, dtype) for name, shape in self.problem.shapes.items()}

    def step(self, outputs: Outputs, state: State, rate: Array) -> State:
        """A gradient step on the loss, then soft thresholding of the singular values."""
        slopes = jax.grad(lambda deltas: training_loss(self.problem, outputs(deltas)))(state)
        threshold = rate * self.problem.lam
        return {name: shrink_singular_values(x - rate * slopes[name], threshold)[0] for name, x in state.items()}

    def objective(self, outputs: Outputs, state: State) -> Array:
        """`F(δ)`."""
        penalty = self.problem.lam * nuclear_norm(self.problem, self.problem.op.like(state))
        return training_loss(self.problem, outputs(state)) + penalty

    def deltas(self, state: State) -> Matrices:
        """The state itself."""
        return state
