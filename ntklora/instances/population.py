"""Finite populations: the risk is a finite sum, its minimizer is known, and any number of samples costs the same.

Atoms `i = 1 … M`, equally likely, with outputs `f0_i + A(δ)_i`; labels are drawn from the model itself at `δ_true`:
`P(y = ±1) = σ(±z_i)`, or the softmax of `z_i`, at `z = f0 + A(δ_true)`. So the conditional risk of every atom is least
at `δ_true`, and no `δ` does better [derived].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.data.teacher_student import random_frame
from ntklora.instances.digits import Labels, Network, digits_problem
from ntklora.problem.losses import Loss, resolve_loss
from ntklora.problem.problem import Problem
from ntklora.problem.weighted import Weighted
from ntklora.tangent.operator import TangentOperator

Array = Any


class Population(NamedTuple):
    """Tangent operator and `f0 (M, K)` of the atoms, the minimizer `delta_true`, the loss, `probabilities (M, C)`.

    `labels (C,)`: −1 and +1 for the logistic loss, 0 … K−1 for cross-entropy.
    """

    op: TangentOperator
    f0: np.ndarray
    delta_true: np.ndarray
    loss: Loss
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def radius(self) -> float:
        """`max_ij ‖G_ij‖_F`."""
        return float(np.sqrt((np.asarray(self.op.dense()) ** 2).sum((2, 3)).max()))

    @property
    def norm(self) -> float:
        """`‖δ_true‖_*`."""
        return float(np.linalg.norm(self.delta_true, "nuc"))

    def risk(self, delta: Array) -> float:
        """`E ℓ(f0 + A(δ), y)`, the finite sum over atoms and labels."""
        z = self.f0 + self.op.apply(delta)
        values = [self.loss.value(z, np.full(len(z), label)) for label in self.labels]
        return float((self.probabilities * np.stack(values, 1)).sum(1).mean())

    def excess(self, delta: Array) -> float:
        """`risk(δ) − risk(δ_true)`, never negative but for rounding."""
        return self.risk(delta) - self.risk(self.delta_true)

    def gradient(self, delta: Array) -> np.ndarray:
        """`∇risk(δ) = E Σ_j ∂_jℓ · G_ij`, `(m, n)`; zero at `δ_true`."""
        z = self.f0 + self.op.apply(delta)
        slopes = [self.loss.gradient(z, np.full(len(z), label)) for label in self.labels]
        alpha = np.einsum("ic,cij->ij", self.probabilities, np.stack(slopes))
        return np.asarray(self.op.adjoint(alpha)) / len(z)

    def sample(self, num_samples: int, lam: float, rng: np.random.Generator) -> Problem:
        """The training problem of `num_samples` draws, one row for each atom and label, weighted by their count.

        `L` is the mean over the draws; rows that were not drawn weigh nothing.
        """
        atoms, classes = self.probabilities.shape
        counts = rng.multinomial(num_samples, self.probabilities.ravel() / atoms)
        weights = atoms * classes * counts / num_samples
        rows = np.repeat(np.arange(atoms), classes)
        y = np.stack([weights, np.tile(self.labels, atoms)], 1)
        # No weight exceeds the number of rows, whatever is drawn: one loss, hence one compilation, for all samples.
        return Problem(self.op.take(rows), self.f0[rows], y, Weighted(self.loss, float(atoms * classes)), lam)


def population_of(op: TangentOperator, f0: Array, delta_true: np.ndarray, loss: str | Loss) -> Population:
    """The population whose labels come from the model at `delta_true`.

    Errors: `ValueError` for a loss without label probabilities (only logistic and cross-entropy have them).
    """
    rule, f0 = resolve_loss(loss), np.asarray(f0, np.float64)
    z = f0 + op.apply(delta_true)
    if rule.name == "logistic":
        logits, labels = np.concatenate([-z, z], 1) / 2, np.array([-1.0, 1.0])
    elif rule.name == "cross_entropy":
        logits, labels = z, np.arange(z.shape[1])
    else:
        raise ValueError(f"loss {rule.name!r} defines no label probabilities; expected logistic or cross_entropy")
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return Population(op, f0, delta_true, rule, labels, odds / odds.sum(1, keepdims=True))


def teacher_population(
    shape: tuple[int, int], *, num_atoms: int, seed: int, num_outputs: int = 1, signal: float = 4.0, spread: float = 1.0
) -> Population:
    """Atoms with unit features of rank 1 around a few directions, as a dense layer has them, and a teacher of rank 1.

        G_ij = ± b_ij a_iᵀ,   ‖b_ij‖ = ‖a_i‖ = 1,   δ_true = signal · u vᵀ,

    (u, v) the top singular pair of `Σ_ij α_ij G_ij`, with α the centred labels of the clusters. So the dual point α
    proves that no δ with the same outputs has a smaller nuclear norm: `‖δ_true‖_* = signal` is the norm that T3 should
    be charged with. `spread` is the size of the noise around the directions of the clusters. `K = 1`: logistic, two
    clusters of opposite sign; else cross-entropy, K of them.
    Errors: `ValueError` for fewer rows or columns than outputs, or fewer atoms than clusters.
    """
    (m, n), k = shape, num_outputs
    if min(m, n) < k or num_atoms < max(k, 2):
        raise ValueError(f"shape {shape} and {num_atoms} atoms leave no room for {k} outputs and their clusters")
    rng = np.random.default_rng([seed, 3])
    tops, inputs = random_frame(m, k, rng).T, random_frame(n, k, rng).T
    cluster = np.arange(num_atoms) % max(k, 2)
    sign = np.where(cluster == 0, 1.0, -1.0) if k == 1 else np.ones(num_atoms)
    b = tops + spread * rng.standard_normal((num_atoms, k, m)) / np.sqrt(m)
    a = inputs[cluster % k] + spread * rng.standard_normal((num_atoms, n)) / np.sqrt(n)
    b, a = b / np.linalg.norm(b, axis=2, keepdims=True), a / np.linalg.norm(a, axis=1, keepdims=True)
    features = np.einsum("i,ikm,in->ikmn", sign, b, a)
    alpha = sign[:, None] if k == 1 else (cluster[:, None] == np.arange(k)) - 1.0 / k
    return taught_population(features, alpha, signal)


def taught_population(features: np.ndarray, alpha: np.ndarray, signal: float) -> Population:
    """Atoms with features `(M, K, m, n)`, `f0 = 0` and the teacher `signal · u vᵀ`, the top pair of `Σ_ij α_ij G_ij`.

    For cross-entropy (`K > 1`) the rows of `alpha (M, K)` sum to zero. Then `α` proves that no δ with the same outputs,
    up to a shift common to all of a sample, has a nuclear norm below `signal`.
    Errors: `ValueError` for rows of `alpha` that do not sum to zero.
    """
    outputs = features.shape[1]
    if outputs > 1 and np.abs(alpha.sum(1)).max() > 1e-12 * np.abs(alpha).max():
        raise ValueError("rows of alpha must sum to zero: cross-entropy does not see a shift common to all outputs")
    left, _, right = np.linalg.svd(np.einsum("ik,ikmn->mn", alpha, features))
    delta_true = signal * np.outer(left[:, 0], right[0])
    loss = "logistic" if outputs == 1 else "cross_entropy"
    op = TangentOperator.from_dense(features)
    return population_of(op, np.zeros(features.shape[:2]), delta_true, loss)


def digits_population(
    network: Network | str, *, num_atoms: int, seed: int, signal: float = 4.0, num_outputs: int = 1
) -> Population:
    """`taught_population` of a linearized network on digits, features scaled to `max ‖G_ij‖_F = 1`, `f0` left out.

    The teacher is the first direction that the true labels pull the weight into. For a network with one adapted weight.
    Errors: `ValueError` for another network, or more atoms than the classes have digits.
    """
    loss = "logistic" if num_outputs == 1 else "cross_entropy"
    problem = digits_problem(network, Labels.true, num_samples=num_atoms, seed=seed, num_outputs=num_outputs, loss=loss)
    if len(problem.shapes) != 1:
        raise ValueError(f"a population has one weight; network {network!r} adapts {sorted(problem.shapes)}")
    (features,) = (np.asarray(g, np.float64) for g in problem.op.as_dict(problem.op.dense()).values())
    alpha = -np.asarray(problem.loss.gradient(np.zeros(problem.f0.shape), np.asarray(problem.y)))
    return taught_population(features / np.sqrt((features**2).sum((2, 3)).max()), alpha, signal)


def linear_population(depth: float = 64.0, share: float = 0.9) -> Population:
    """One atom, one weight, `G = 1`, `f0 = −depth`: from 0 to δ_true the logistic risk falls along a straight line.

    `risk(0) − risk(δ_true) ≈ share · depth` and `|∇risk(0)| ≈ share`, to which λ_max is close on large samples: at
    `λ = λ_max` the minimizer is 0, and its excess risk is all of `λ‖δ_true‖_*` for a large depth. T3 is attained up to
    `(κ+1)/(κ−1)` [derived].
    """
    op = TangentOperator.from_dense(np.ones((1, 1, 1, 1)))
    return population_of(op, [[-depth]], np.array([[depth + np.log(share / (1 - share))]]), "logistic")
