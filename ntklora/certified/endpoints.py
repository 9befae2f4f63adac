"""Where LoRA of a given rank can end: stationary points of F_P from many starts, with saddles left behind.

Newton's method finds stationary points and is attracted to a saddle now and then. So every end is examined on the host:
where the inertia of the Hessian (`certificates`) shows negative curvature, the start is carried down along it and runs
again. What the ends *are* is for `classify_endpoint` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.certified.escape import points_below
from ntklora.certified.precision import require_float64
from ntklora.certified.runs import run_newton
from ntklora.certified.starts import gaussian_starts, given_starts
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.solvers.scale import scale_of

Array = Any
Matrices = dict[str, Any]

# A start that meets more saddles than this one after the other is returned where it is.
_MAX_ESCAPES = 8


class Endpoints(NamedTuple):
    """The ends of `S` starts: `u (S, m, r)`, `v (S, n, r)` (dicts by name for several weights), in the order of starts.

    `(S,)` each: `objective` F_P, `gradient_norm` ‖∇F_P‖, `converged` (gradient below 1e-9 of the problem's unit, see
    `solvers.newton.Limits`), `num_steps` of Newton's method, `num_escapes` from saddles.
    """

    u: Array | Matrices
    v: Array | Matrices
    objective: np.ndarray
    gradient_norm: np.ndarray
    converged: np.ndarray
    num_steps: np.ndarray
    num_escapes: np.ndarray

    def __repr__(self) -> str:
        return outline(self)


def find_endpoints(
    problem: Problem,
    rank: int,
    key: Array,
    *,
    starts: int = 64,
    scale: float | None = None,
    initial: tuple[Array | Matrices, Array | Matrices] | None = None,
) -> Endpoints:
    """Stationary points of F_P at this rank, none of them a saddle that was recognised as one: a row for every start.

    Starts are Gaussian. With `scale = None` their standard deviations are spread evenly (in the logarithm) over two
    decades, from 0.1 to 10 times the size at which `u vᵀ` is as large as after the exact line search from 0 along the
    gradient: small initializations and loud ones. A number is the standard deviation of all entries of all starts.
    `initial = (u, v)` gives the starts themselves, `(S, m, r)` and `(S, n, r)`; then `key`, `starts` and `scale` have
    no part. An unperturbed problem is reduced first, so components that the data does not see end at zero.

    The answer has `.u (S, m, r)`, `.v (S, n, r)`, `.objective`, `.gradient_norm` and `.converged` of shape `(S,)`.

    Basins belong to the algorithm: these are Newton's, and their frequencies are not gradient descent's.

    Errors: `ValueError` unless JAX's x64 flag is on, or for a rank, a number of starts or a scale that is not positive,
    or initial factors of other shapes.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> find_endpoints(problem, 1, jax.random.key(0), starts=3).objective.round(9).tolist()  # δ = 2 e₁e₁ᵀ, thrice
    [4.5, 4.5, 4.5]
    """
    require_float64("find_endpoints")
    host = problem.host()
    reduction = reduce_problem(host) if host.perturbation is None else None
    small = host if reduction is None else reduction.problem
    if initial is None:
        u, v = gaussian_starts(small, rank, key, starts, scale)
    else:
        u, v = given_starts(host, rank, *initial)
        if reduction is not None:
            u, v = (small.op.as_dict(x) for x in reduction.restrict_factors(u, v))
    ends = _descend(small, u, v, host.shapes)
    if reduction is None:
        return ends._replace(u=host.op.like(ends.u), v=host.op.like(ends.v))
    u, v = reduction.lift_factors(ends.u, ends.v)
    return ends._replace(u=u, v=v)


def _descend(problem: Problem, u: Matrices, v: Matrices, full: Mapping[str, tuple[int, int]]) -> Endpoints:
    """Newton from all starts; then, as long as some end at a saddle, from the points below it."""
    starts = len(next(iter(u.values())))
    slope = float(scale_of(problem).slope(problem.lam))
    known = Endpoints(u, v, *(np.zeros(starts, kind) for kind in (float, float, bool, int, int)))
    waiting = np.arange(starts)
    while len(waiting):
        queue_u, queue_v = ({k: x[waiting] for k, x in factor.items()} for factor in (u, v))
        ends = run_newton(problem, np.full(len(waiting), float(problem.lam)), queue_u, queue_v, full=full)
        known.objective[waiting] = ends.objective
        known.gradient_norm[waiting] = ends.gradient_norm
        known.converged[waiting] = ends.converged
        known.num_steps[waiting] += ends.num_steps
        for name in u:
            u[name][waiting], v[name][waiting] = ends.u[name], ends.v[name]
        may_leave = waiting[known.converged[waiting] & (known.num_escapes[waiting] < _MAX_ESCAPES)]
        these_u, these_v = ({k: x[may_leave] for k, x in factor.items()} for factor in (u, v))
        below = points_below(problem, these_u, these_v, known.objective[may_leave], slope)
        for place, (low_u, low_v) in below.items():
            for name in u:
                u[name][may_leave[place]], v[name][may_leave[place]] = low_u[name], low_v[name]
        saddles = may_leave[list(below)]
        known.num_escapes[saddles] += 1
        waiting = saddles
    return known
