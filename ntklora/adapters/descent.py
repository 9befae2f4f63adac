"""Gradient descent on the factors, in the coordinates that the data see [derived, theory §1.1].

Factored features `G_ij = Σ_t b_ijt a_itᵀ` see of a factor `u (m, r)` its *rows* `p = B u` alone, `B (ρ, m)` the stacked
signals, and of `v` the rows `A v`. Descent moves u by multiples of Bᵀ: with `g = ∂L/∂p` and `d = 1 − ηλ`,

    w ← d w + η g,     u_k = dᵏ u_0 − Bᵀ w,     p_k = dᵏ p_0 − B Bᵀ w,     ‖u_k‖² = d²ᵏ‖u_0‖² − dᵏ<p_0, w> − <w, p_k>

so a step costs `ρ² r` operations whatever the width, and is the step of the factors themselves: the same path. A factor
that is smaller than its rows is its own coordinates (`B = I`), and features that are cheaper whole are made whole.
Coordinates are stored as `(r, ρ)`: under `vmap` over instances that share their features, a step is then one matrix
product for each factor with nothing to transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from ntklora.problem.objective import training_loss
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed

Array = Any
Matrices = dict[str, Any]
Pair = tuple[Any, ...]  # two: of the left factor u and of the right factor v

# Factored features are made whole for fewer operations only up to this many entries: 32 MiB in float64.
_WHOLE_ENTRIES = 2**22


class Side(NamedTuple):
    """One factor at the start: itself, its `‖·‖²`, its coordinates `(r, ρ)`; `B` and `B Bᵀ`, None where `B = I`."""

    factor: Array
    square: Array
    start: Array
    rows: Array | None
    gram: Array | None


class Weight(NamedTuple):
    """One weight: its two sides, and `<G_ij, u vᵀ> (N, K)` from the coordinates of both."""

    sides: Pair
    outputs: Callable[[Array, Array], Array]


class State(NamedTuple):
    """`w` of every factor that moves (None for a frozen one), by weight, and `dᵏ`."""

    sums: dict[str, Pair]
    shrunk: Array


class Descent(eqx.Module):
    """Descent of `F_s` from one start: `value_and_slopes` at a state, the state one step on, the factors at a state.

    A state is small; factors of the width of the network are made once, at the end.
    """

    problem: Problem
    weights: dict[str, Weight]
    scale: Array
    start: State

    def value_and_slopes(self, state: State) -> tuple[Array, dict[str, Pair]]:
        """`F_s`, and the gradient of all of it but the decay in the coordinates."""
        points = self._points(state)
        value, slopes = jax.value_and_grad(self._undecayed)(points)
        squares = [
            _square(side, w, point, state.shrunk)
            for name, weight in self.weights.items()
            for side, w, point in zip(weight.sides, state.sums[name], points[name])
        ]
        return value + 0.5 * self.problem.lam * sum(squares), slopes

    def advanced(self, state: State, slopes: dict[str, Pair], rate: Array) -> State:
        """One step of size `rate`, which keeps the type of the factors."""
        rate = jnp.asarray(rate, state.shrunk.dtype)
        keep = 1.0 - rate * jnp.asarray(self.problem.lam, rate.dtype)
        sums = {
            name: tuple(None if w is None else keep * w + rate * g for w, g in zip(pair, slopes[name]))
            for name, pair in state.sums.items()
        }
        return State(sums, keep * state.shrunk)

    def factors(self, state: State) -> tuple[Matrices, Matrices]:
        """`(u, v)` by name."""
        us, vs = (
            {name: _factor(weight.sides[k], state.sums[name][k], state.shrunk) for name, weight in self.weights.items()}
            for k in (0, 1)
        )
        return us, vs

    def _points(self, state: State) -> dict[str, Pair]:
        return {
            name: tuple(_point(side, w, state.shrunk) for side, w in zip(weight.sides, state.sums[name]))
            for name, weight in self.weights.items()
        }

    def _undecayed(self, points: dict[str, Pair]) -> Array:
        """`L + <P, QQᵀ>`: what of the objective is differentiated."""
        z = sum(weight.outputs(*points[name]) for name, weight in self.weights.items())
        value = training_loss(self.problem, self.problem.f0 + self.scale * z)
        for name, matrix in (self.problem.perturbation or {}).items():
            q = jnp.concatenate(points[name], 1)
            value = value + (q * (q @ matrix)).sum()
        return value


def descent(problem: Problem, us: Matrices, vs: Matrices, scale: Array, moves: tuple[bool, bool]) -> Descent:
    """Descent from `(u, v)`, with `moves` saying which of the two does; what is done once is done here."""
    weights = {}
    for name, block in problem.op.blocks.items():
        u, v = jnp.asarray(us[name]), jnp.asarray(vs[name])
        # A perturbation sees the factors whole.
        weights[name] = _weight(block, u, v, moves) if problem.perturbation is None else _whole(block, u, v)
    sums = {
        name: tuple(jnp.zeros_like(side.start) if moving else None for side, moving in zip(weight.sides, moves))
        for name, weight in weights.items()
    }
    first = next(iter(weights.values())).sides[0].factor
    return Descent(problem, weights, scale, State(sums, jnp.ones((), first.dtype)))


def _weight(block: Block, u: Array, v: Array, moves: tuple[bool, bool]) -> Weight:
    if isinstance(block, Transposed):
        sides, outputs = _weight(block.of, v, u, moves[::-1])
        return Weight(sides[::-1], lambda x, y: outputs(y, x))
    if isinstance(block, Factored):
        if not _cheaper_whole(block, u.shape[1]):
            return _factored(block, u, v, moves)
        block = Dense(block.dense())
    return _whole(block, u, v)


def _whole(block: Block, u: Array, v: Array) -> Weight:
    """Both factors as they are."""
    sides = (_itself(u), _itself(v))
    if isinstance(block, Dense):
        shape = block.g.shape[:2]
        flat = jnp.reshape(block.g, (shape[0] * shape[1], -1))
        # The product first: a row of features then costs m·n operations instead of m·n·r.
        return Weight(sides, lambda x, y: ((x.T @ y).reshape(-1) @ flat.T).reshape(shape))
    return Weight(sides, lambda x, y: block.apply_factors(x.T, y.T))


def _factored(block: Factored, u: Array, v: Array, moves: tuple[bool, bool]) -> Weight:
    n, k, t = block.b.shape[:3]
    (m, fan_in), r = block.shape, u.shape[1]
    left, right = (
        _side(factor, jnp.reshape(rows, (-1, dim)), moving)
        for factor, rows, dim, moving in ((u, block.b, m, moves[0]), (v, block.a, fan_in, moves[1]))
    )

    def outputs(x: Array, y: Array) -> Array:
        p = x if left.rows is not None else x @ jnp.reshape(block.b, (-1, m)).T
        q = y if right.rows is not None else y @ jnp.reshape(block.a, (-1, fan_in)).T
        # A product and a sum, not an einsum: N matrix products of r numbers each would take longer.
        return (p.reshape(r, n, k, t) * q.reshape(r, n, 1, t)).sum((0, 3))

    return Weight((left, right), outputs)


def _side(factor: Array, rows: Array, moving: bool) -> Side:
    """Seen through its rows, unless moving the rows would cost more than moving the factor."""
    if moving and not _through_rows(*rows.shape):
        return _itself(factor)
    return Side(factor, (factor**2).sum(), (rows @ factor).T, rows, rows @ rows.T if moving else None)


def _itself(factor: Array) -> Side:
    return Side(factor, (factor**2).sum(), factor.T, None, None)


def _point(side: Side, w: Array | None, shrunk: Array) -> Array:
    """The coordinates now: `dᵏ p_0 − B Bᵀ w`; a frozen factor (no `w`) stays."""
    if w is None:
        return side.start
    return shrunk * side.start - (w if side.gram is None else w @ side.gram)


def _square(side: Side, w: Array | None, point: Array, shrunk: Array) -> Array:
    """`‖u_k‖²`."""
    if w is None:
        return side.square
    if side.rows is None:
        return (point**2).sum()
    return shrunk**2 * side.square - (w * (shrunk * side.start + point)).sum()


def _factor(side: Side, w: Array | None, shrunk: Array) -> Array:
    """The factor itself: `dᵏ u_0 − Bᵀ w`."""
    if w is None:
        return side.factor
    return shrunk * side.factor - (w if side.rows is None else w @ side.rows).T


def _through_rows(count: int, size: int) -> bool:
    """`ρ² ≤ 2ρ·size`: one product with the Gram matrix against two with the rows."""
    return count <= 2 * size


def _cheaper_whole(block: Factored, rank: int) -> bool:
    """Whether a step takes fewer operations with the features whole: `2NK·mn + 3mnr` against those of both sides."""
    (m, n), outputs = block.shape, block.num_samples * block.num_outputs
    rows = ((outputs * block.num_positions, m), (block.num_samples * block.num_positions, n))
    factored = sum(min(count, 2 * size) * count * rank for count, size in rows) + 3 * rows[0][0] * rank
    return outputs * m * n <= _WHOLE_ENTRIES and 2 * outputs * m * n + 3 * m * n * rank < factored
