"""Adversarial search for spurious minima: ascent over features, targets and spectrum at once.

Every stationary point that is not global can be written by the planting formula (theory §2.1), free of constraints:

    G_i = G̃_i + ρ_i (N Γ0 − Σ_k ρ_k G̃_k)/‖ρ‖²,    Γ0 = −λ(U Vᵀ + (1+e) w1 w2ᵀ),    y_i = <G_i, δ0> − ρ_i.

The bases are the canonical ones, which rotations of the two sides give; free are all G̃_i, the residuals ρ, the
singular values of δ0 and e > 0, and beside them a rival of rank r. The shape is (r+1, r+1): what
`ntklora.theory.worst_case` bounds, it bounds for every shape, and attains there. `λ` only sets the unit of F.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ntklora.arrays import namespace
from ntklora.instances.worst_case import WorstMinimum
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.ranks import planting_threshold

Array = Any

# Of Adam, falling to a hundredth by a cosine. At rank 5 half of it did not arrive in 600 steps from every start.
_STEP = 0.1
# Sharpness of the soft extremes, from the first step to the last. At 2 the eigenvalues are so blurred that the search
# settles at points without curvature; at 500 the softness is below 1% of the mean eigenvalue.
_SHARPNESS = (10.0, 500.0)


class _Free(NamedTuple):
    """What the search moves: `log_values (r,)`, `residuals (N,)`, `features (N, m, m)`, `log_e ()`, `rival (2m, r)`."""

    log_values: Array
    residuals: Array
    features: Array
    log_e: Array
    rival: Array


def search_worst_minimum(
    rank: int,
    num_samples: int,
    *,
    seed: int,
    balance: float = 1.0,
    starts: int = 4,
    steps: int = 600,
    lam: float = 0.1,
) -> WorstMinimum:
    """The stationary point with the largest `min(κ/balance, E)` that ascent finds from random plantings.

    `κ` is the smallest eigenvalue of the Hessian modulo gauge over `‖H‖`, `E = (F(u, v) − F(rival))/F(u, v)`: both are
    without units, so that nothing is gained by large features. A soft minimum and maximum over the eigenvalues,
    sharpened on the way, is climbed by Adam from `starts` random plantings at once; the best end is returned. Where the
    theory allows no strict minimum, it still returns the best it reached: judge it, do not trust it. A `balance` above
    1 needs more steps than the default at rank 5.

    Errors: `ValueError` for counts below 1, or `balance` or `lam` not positive.
    Source: planting of theory §2.1 [derived].
    """
    if min(rank, num_samples, starts, steps) < 1 or min(balance, lam) <= 0:
        raise ValueError(
            "expected rank, num_samples, starts and steps >= 1, balance and lam > 0; got "
            f"{rank}, {num_samples}, {starts}, {steps}, {balance}, {lam}"
        )
    rng = np.random.default_rng(seed)
    # Neighbouring numbers of samples share one program: the rows beyond are masked.
    room = max(num_samples, planting_threshold(rank) + 1)
    first = [_random_start(rng, rank, room) for _ in range(starts)]
    free = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *first)
    ends = jax.tree.map(np.asarray, _ascend(free, float(num_samples), float(balance), steps))
    found = [jax.tree.map(lambda leaf, s=s: leaf[s].astype(np.float64), ends) for s in range(starts)]
    return _instance(max(found, key=lambda one: _hard_value(one, num_samples, balance)), num_samples, lam)


def _random_start(rng: np.random.Generator, rank: int, room: int) -> _Free:
    """A random planting with e = 1, and a small random rival."""
    return _Free(
        np.log(rng.uniform(1.0, 2.0, rank)),
        rng.choice([-1.0, 1.0], room) * rng.uniform(0.5, 1.5, room),
        rng.standard_normal((room, rank + 1, rank + 1)),
        np.zeros(()),
        0.5 * rng.standard_normal((2 * rank + 2, rank)),
    )


@partial(jax.jit, static_argnums=3)
def _ascend(starts: _Free, num_samples: Array, balance: Array, steps: int) -> _Free:
    """Adam from every start, the soft extremes sharpened geometrically."""
    optimizer = optax.adam(optax.cosine_decay_schedule(_STEP, steps, alpha=1e-2))

    def step(carry: Any, sharpness: Array) -> Any:
        free, state = carry
        slope = jax.grad(_soft_loss)(free, num_samples, balance, sharpness)
        updates, state = optimizer.update(slope, state)
        return (optax.apply_updates(free, updates), state), None

    def climb(free: _Free) -> _Free:
        return jax.lax.scan(step, (free, optimizer.init(free)), jnp.geomspace(*_SHARPNESS, steps))[0][0]

    return jax.vmap(climb)(starts)


def _soft_loss(free: _Free, num_samples: Array, balance: Array, sharpness: Array) -> Array:
    """`−min(κ/balance, E)` with soft extremes: of the eigenvalues over their mean, and of the pair."""
    eigenvalues, excess = _merits(free, num_samples)
    lowest = -jax.nn.logsumexp(-sharpness * eigenvalues) / sharpness
    largest = jax.nn.logsumexp(sharpness * eigenvalues) / sharpness
    return jax.nn.logsumexp(-sharpness * jnp.stack([lowest / largest / balance, excess])) / sharpness


def _hard_value(free: _Free, num_samples: int, balance: float) -> float:
    eigenvalues, excess = _merits(free, num_samples)
    return min(float(eigenvalues[0] / eigenvalues[-1]) / balance, float(excess))


def _merits(free: _Free, num_samples: Array) -> tuple[Array, Array]:
    """Eigenvalues of the Hessian modulo gauge over their mean, ascending, and the relative excess, at λ = 1."""
    values, residuals, gamma, features = _assemble(free, num_samples)
    xp, rank, size = namespace(values), len(values), len(gamma)
    planted = (residuals**2).sum() / (2 * num_samples) + values.sum()
    targets = xp.einsum("iaa,a->i", features[:, :rank, :rank], values) - residuals
    outputs = xp.einsum("imn,mr,nr->i", features, free.rival[:size], free.rival[size:])
    rival = ((outputs - targets) ** 2).sum() / (2 * num_samples) + 0.5 * (free.rival**2).sum()
    return _spectrum(values, gamma, features, num_samples), 1.0 - rival / planted


def _assemble(free: _Free, num_samples: Array) -> tuple[Array, Array, Array, Array]:
    """Singular values, residuals, `Γ0` and features of the planting formula at λ = 1; rows beyond N vanish."""
    xp = namespace(free.residuals)
    seen = xp.arange(len(free.residuals)) < num_samples
    residuals = xp.where(seen, free.residuals, 0.0)
    features = xp.where(seen[:, None, None], free.features, 0.0)
    ones = xp.ones(len(free.log_values))
    gamma = -xp.diag(xp.append(ones, 1.0 + xp.exp(free.log_e)))
    missing = num_samples * gamma - xp.einsum("i,imn->mn", residuals, features)
    features = features + residuals[:, None, None] * missing / (residuals @ residuals)
    return xp.exp(free.log_values), residuals, gamma, features


def _spectrum(values: Array, gamma: Array, features: Array, num_samples: Array) -> Array:
    """Eigenvalues of `2S ⊗ I + JᵀJ/N` over their mean, which takes the place of the gauge's zeros: it is no extreme."""
    xp, rank, size = namespace(values), len(values), len(gamma)
    factor = xp.eye(size)[:, :rank] * xp.sqrt(values)
    slopes = xp.concatenate([features @ factor, features.swapaxes(1, 2) @ factor], 1).reshape(len(features), -1)
    twice_s = xp.block([[xp.eye(size), gamma], [gamma.T, xp.eye(size)]])
    hessian = xp.kron(twice_s, xp.eye(rank)) + slopes.T @ slopes / num_samples
    mean = xp.trace(hessian) / len(hessian)
    gauge = _gauge(xp.concatenate([factor, factor]), xp)
    across = xp.eye(len(hessian)) - gauge.T @ gauge
    return xp.linalg.eigvalsh(across @ hessian @ across + mean * gauge.T @ gauge) / mean


def _gauge(q: Array, xp: Any) -> Array:
    """Orthonormal tangents `QΩ`, Ω skew, of a `Q` with orthogonal columns, flattened: `(r(r−1)/2, 2m·r)`."""
    rank = q.shape[1]
    first, second = np.triu_indices(rank, 1)
    unit = np.eye(rank)
    tangents = xp.einsum("pk,kc->kpc", q[:, first], unit[second]) - xp.einsum("pk,kc->kpc", q[:, second], unit[first])
    flat = tangents.reshape(len(first), q.size)
    return flat / xp.linalg.norm(flat, axis=1, keepdims=True)


def _instance(free: _Free, num_samples: int, lam: float) -> WorstMinimum:
    """The problem on the host: stationary to rounding whatever precision the search had, and scaled from 1 to λ."""
    values, residuals, _, features = _assemble(free, num_samples)
    residuals, features = residuals[:num_samples], features[:num_samples]
    rank, size = len(values), len(free.rival) // 2
    targets = np.einsum("iaa,a->i", features[:, :rank, :rank], values) - residuals
    op = TangentOperator.from_dense(np.sqrt(lam) * features[:, None])
    problem = Problem(op, np.zeros(num_samples), np.sqrt(lam) * targets, "squared", lam)
    factor = np.eye(size)[:, :rank] * np.sqrt(values)
    return WorstMinimum(problem, factor, factor.copy(), free.rival[:size], free.rival[size:])
