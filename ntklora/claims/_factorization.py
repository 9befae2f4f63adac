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
from ntklora.adapters.initializations import Gaussian, Initialization, Orthonormal, Padded, ZeroLeft, cut
from ntklora.adapters.training import Trained, train_to_end
from ntklora.claims._evidence import Draws
from ntklora.data.teacher_student import low_rank_matrix
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.theory import hrp

# Simulations share their shapes, so that few programs serve them: draws in batches of one size, adapters of as many
# columns (those beyond the rank are zero).
LANES, COLUMNS = 250, 4
# Beyond this many a step is cut into pieces for several threads, which takes twice the time of one.
_SIDE_BY_SIDE = 25


class Tilted(ZeroLeft):
    """A Gaussian factor that prefers some directions: not rotation-invariant. `map` is applied to a Gaussian draw."""

    map: np.ndarray

    def draw(self, key: Any, sizes: dict[str, int], rank: int, dtype: Any = float) -> dict[str, Any]:
        """`map @ N`."""
        shapes = {name: (size, rank) for name, size in sizes.items()}
        flat = jax.random.normal(key, (rank * sum(sizes.values()),), dtype)
        return {name: jnp.asarray(self.map, dtype) @ piece for name, piece in cut(flat, shapes).items()}


def is_rotation_invariant(initialization: Initialization) -> bool:
    """Whether the span of the drawn factor is uniformly distributed, by what the law is known to be."""
    return isinstance(initialization, Gaussian | Orthonormal)


def instance(shape: tuple[int, int], singular_values: np.ndarray, seed: int) -> np.ndarray:
    """A target with this spectrum and random singular vectors."""
    return low_rank_matrix(shape, singular_values.tolist(), np.random.default_rng(seed))


def train_draws(
    target: np.ndarray,
    rank: int,
    draws: int,
    seed: int,
    *,
    initialization: ZeroLeft | HRP,
    steps: int,
    trained: Trained = Trained.left,
) -> Draws:
    """LoRA of this rank from `draws` random starts; from preheated ones with an `HRP` whose draw is `Padded`."""
    problem, key = matrix_factorization(target), jax.random.key(seed)
    start = initialization if isinstance(initialization, HRP) else Padded(initialization, rank)
    batches = [_train(problem, start, key, i, steps, trained) for i in range(-(-draws // LANES))]
    loss, (u, v), preheat = jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *batches)
    excess = _distance_to_limit(target, u, v, trained, rank)
    if isinstance(initialization, HRP):
        random, moved = initialization.random, initialization.trained
        assert rank == COLUMNS
        assert isinstance(random, Padded)
        first, second = preheat
        distance = _distance_to_limit(target, first, second, moved, int(random.rank))
        excess = excess + _cost_of_preheat(distance, first, second, rank)
    return Draws(loss, np.minimum(excess, loss - hrp.eckart_young(np.linalg.svd(target)[1], rank)))


def _train(problem, start, key, batch, steps, trained):
    us, vs, preheat = _starts(problem, start, _keys(key, batch))
    # One batch after the other: their LAPACK calls, at work at once, could wait for each other (`environment`).
    return jax.tree.map(np.asarray, (*_ends(problem, us, vs, steps, trained=trained), preheat))


@jax.jit
def _keys(key, batch):
    return jax.random.split(jax.random.fold_in(key, batch), LANES)


def _starts(problem, start, keys):
    """Starts of one batch of draws, with the preheated factors that they come from (None without).

    Not one program: draw, preheat and directions are each its own, which other ways to preheat share.
    """

    def one(key):
        if isinstance(start, HRP):
            path = start.preheat(problem, key)
            return *start.continue_from(problem, COLUMNS, path), (path.u, path.v)
        return *start(problem, COLUMNS, key), None

    return jax.vmap(one)(keys)


@partial(jax.jit, static_argnames="trained")
def _ends(problem, us, vs, steps, *, trained):
    """Loss and factors after as many steps."""

    def one(start):
        us, vs = start
        path = train_to_end(problem, problem.op.like(us), problem.op.like(vs), steps=steps, trained=trained)
        return path.objective, (path.u, path.v)

    return jax.lax.map(one, (us, vs), batch_size=_SIDE_BY_SIDE)


def _distance_to_limit(target: np.ndarray, u: np.ndarray, v: np.ndarray, trained: Trained, rank: int) -> np.ndarray:
    """`‖∇_u L‖²/(2 μ_min(vᵀv))`: bounds L(u) − min L for strongly convex L; without a frozen factor nothing does.

    The frozen factor has `rank` columns that are not zero; in the others the gradient vanishes.
    """
    if trained is Trained.both:
        return np.full(len(u), np.inf)
    residual, frozen = (u @ v.mT - target, v) if trained is Trained.left else ((u @ v.mT - target).mT, u)
    gradient = residual @ frozen
    return 0.5 * np.sum(gradient**2, (1, 2)) / np.linalg.svd(frozen, compute_uv=False)[:, rank - 1] ** 2


def _cost_of_preheat(distance: np.ndarray, u: np.ndarray, v: np.ndarray, rank: int) -> np.ndarray:
    """What the main stage's limit loses because the preheat stopped at X = M P_R + E instead of M P_R [derived].

    The directions V of X lie in span(A_p), where those of M P_R are best; with ε ≥ ‖E‖ and t the tail of X beyond r,
    `½‖M P_R (I − P_V)‖² ≤ ½(t + ε)²` and `½ tail(M P_R)² ≥ ½ max(t − ε, 0)²`. `distance ≥ ½‖E‖²`, in loss.
    """
    error = np.sqrt(2.0 * distance)
    tail = np.sqrt(np.sum(np.linalg.svd(u @ v.mT, compute_uv=False)[:, rank:] ** 2, 1))
    return 0.5 * ((tail + error) ** 2 - np.maximum(tail - error, 0.0) ** 2)
