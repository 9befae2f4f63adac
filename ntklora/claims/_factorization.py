"""Simulations for the claims about matrix factorization: many random draws of actual training, nothing in closed form.

What is certified of each draw is how far it stopped above its limit, from the final factors alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.adapters.hrp import HRP
from ntklora.adapters.initializations import Gaussian, Initialization, Orthonormal, ZeroLeft, cut
from ntklora.adapters.training import Trained, train_factors
from ntklora.claims._evidence import Draws
from ntklora.data.teacher_student import low_rank_matrix
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.theory import hrp

_LANES = 500  # draws trained side by side at most: they share the caches


class Tilted(ZeroLeft):
    """A Gaussian factor that prefers some directions: not rotation-invariant. `map` is applied to a Gaussian draw."""

    map: np.ndarray

    def draw(self, key: Any, sizes: dict[str, int], rank: int, dtype: Any = float) -> dict[str, Any]:
        """`map @ N`."""
        shapes = {name: (size, rank) for name, size in sizes.items()}
        flat = jax.random.normal(key, (rank * sum(sizes.values()),), dtype)
        return {name: jnp.asarray(self.map, dtype) @ piece for name, piece in cut(flat, shapes).items()}


class Nested(ZeroLeft):
    """The first columns of one uniformly random frame: the spans of different ranks are nested, key by key."""

    def draw(self, key: Any, sizes: dict[str, int], rank: int, dtype: Any = float) -> dict[str, Any]:
        """The first `rank` columns of a Haar (size, size) matrix."""
        (name, size), *more = sizes.items()
        assert not more, "matrix factorization has one weight"
        frame, _ = jnp.linalg.qr(jax.random.normal(key, (size, size), dtype))
        return {name: frame[:, :rank]}


def is_rotation_invariant(initialization: Initialization) -> bool:
    """Whether the span of the drawn factor is uniformly distributed, by what the law is known to be."""
    return isinstance(initialization, Gaussian | Orthonormal | Nested)


def instance(shape: tuple[int, int], singular_values: np.ndarray, seed: int) -> np.ndarray:
    """A target with this spectrum and random singular vectors."""
    return low_rank_matrix(shape, singular_values.tolist(), np.random.default_rng(seed))


def train_draws(
    target: np.ndarray,
    rank: int,
    draws: int,
    seed: int,
    *,
    initialization: Initialization,
    steps: int,
    trained: Trained = Trained.left,
) -> Draws:
    """LoRA of this rank from `draws` random starts (after preheating, if that is the initialization)."""
    problem = matrix_factorization(target)
    lanes = min(_LANES, draws)
    keys = jax.random.split(jax.random.key(seed), -(-draws // lanes) * lanes)
    # Always whole batches, so that one compilation serves every number of draws.
    batches = [
        _train(problem, initialization, keys[i : i + lanes], rank=rank, steps=steps, trained=trained)
        for i in range(0, len(keys), lanes)
    ]
    loss, (u, v), preheat = jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *batches)
    excess = _distance_to_limit(target, u, v, trained)
    if preheat is not None:
        assert isinstance(initialization, HRP)
        u, v = preheat
        excess = excess + _cost_of_preheat(target, u, v, rank, initialization.trained)
    return Draws(loss, np.minimum(excess, loss - hrp.eckart_young(np.linalg.svd(target)[1], rank)))


@partial(jax.jit, static_argnames=("rank", "steps", "trained"))
def _train(problem, initialization, keys, *, rank, steps, trained):
    def one(key):
        preheat = None
        if isinstance(initialization, HRP):
            path = initialization.preheat(problem, key)
            us, vs = initialization.continue_from(problem, rank, path)
            preheat = (path.u, path.v)
        else:
            us, vs = initialization(problem, rank, key)
        path = train_factors(problem, problem.op.like(us), problem.op.like(vs), steps=steps, trained=trained)
        return path.objective[-1], (path.u, path.v), preheat

    return jax.vmap(one)(keys)


def _distance_to_limit(target: np.ndarray, u: np.ndarray, v: np.ndarray, trained: Trained) -> np.ndarray:
    """`‖∇_u L‖²/(2 μ_min(vᵀv))`: bounds L(u) − min L for strongly convex L; without a frozen factor nothing does."""
    if trained is Trained.both:
        return np.full(len(u), np.inf)
    residual, frozen = (u @ v.mT - target, v) if trained is Trained.left else ((u @ v.mT - target).mT, u)
    gradient = residual @ frozen
    return 0.5 * np.sum(gradient**2, (1, 2)) / np.linalg.svd(frozen, compute_uv=False)[:, -1] ** 2


def _cost_of_preheat(target: np.ndarray, u: np.ndarray, v: np.ndarray, rank: int, trained: Trained) -> np.ndarray:
    """What the main stage's limit loses because the preheat stopped at X = M P_R + E instead of M P_R [derived].

    The directions V of X lie in span(A_p), where those of M P_R are best; with ε ≥ ‖E‖ and t the tail of X beyond r,
    `½‖M P_R (I − P_V)‖² ≤ ½(t + ε)²` and `½ tail(M P_R)² ≥ ½ max(t − ε, 0)²`.
    """
    error = np.sqrt(2.0 * _distance_to_limit(target, u, v, trained))
    tail = np.sqrt(np.sum(np.linalg.svd(u @ v.mT, compute_uv=False)[:, rank:] ** 2, 1))
    return 0.5 * ((tail + error) ** 2 - np.maximum(tail - error, 0.0) ** 2)
