"""Minimization of F by SciPy, for truths that the package's own solvers have no part in."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ntklora.certificates.duality import feasible_dual
from ntklora.certificates.stationary import point_at, polish, units_of
from ntklora.problem.objective import dual_vector, gradient_matrices
from ntklora.tangent.operator import TangentOperator
from tests.certificates.dense_hessian import flatten


class Optimum(NamedTuple):
    """What `classify_endpoint` reads of a solution: a minimizer and a dual point."""

    delta: object
    u: object
    v: object
    alpha: np.ndarray


def unflatten(shapes, x, rank):
    us, vs, start = {}, {}, 0
    for name, (m, n) in shapes.items():
        q = x[start : start + (m + n) * rank].reshape(m + n, rank)
        us[name], vs[name], start = q[:m], q[m:], start + (m + n) * rank
    return us, vs


def descend(problem, rank, rng, scale=0.5):
    """Factors by name at which L-BFGS stops, from a random start."""
    return descend_from(problem, scale * rng.standard_normal(sum(sum(s) for s in problem.shapes.values()) * rank), rank)


def descend_from(problem, start, rank):
    """Factors by name at which L-BFGS stops, from `start` as `flatten` makes it."""
    n, k = problem.f0.shape
    features = {name: g.reshape(n * k, -1) for name, g in TangentOperator(problem.op.blocks).dense().items()}
    # Bound once: every look-up of a module's method or field costs more than the arithmetic here.
    value, slope, f0, y, shapes = problem.loss.value, problem.loss.gradient, problem.f0, problem.y, problem.shapes
    lam = float(problem.lam)

    def value_and_gradient(x):
        us, vs = unflatten(shapes, x, rank)
        z = f0 + sum(g @ (us[name] @ vs[name].T).ravel() for name, g in features.items()).reshape(n, k)
        alpha = slope(z, y).ravel() / n
        gammas = {name: (alpha @ g).reshape(shapes[name]) for name, g in features.items()}
        gradient = flatten({k: gammas[k] @ vs[k] for k in us}, {k: gammas[k].T @ us[k] for k in us})
        return value(z, y).mean() + 0.5 * lam * (x @ x), gradient + lam * x

    options = {"maxiter": 2000, "ftol": 0, "gtol": 1e-10}
    return unflatten(shapes, minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x, rank)


def full_rank_optimum(problem, rng):
    """The convex optimum of an unperturbed problem, by descent at full rank, which has no spurious minima.

    L-BFGS stops too early to certify 1e-8; the dual point says what the polished end is worth, whoever polished it.
    """
    us, vs = descend(problem, max(min(s) for s in problem.shapes.values()), rng)
    return _optimum(problem, *polish(problem, units_of(problem), point_at(problem, us, vs))[:2])


def lifted_optimum(problem, u, v):
    """Where descent ends from a stationary point with one column more: the top singular pair of `−Γ`, scaled."""
    us, vs = dict(problem.op.as_dict(u)), dict(problem.op.as_dict(v))
    columns = max(x.shape[1] for x in us.values())
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0 + problem.op.apply_factors(u, v)))
    for name, gamma in gammas.items():
        left, _, right = np.linalg.svd(gamma)
        spare = ((0, 0), (0, columns - us[name].shape[1]))
        us[name] = np.column_stack([np.pad(us[name], spare), -0.1 * left[:, 0]])
        vs[name] = np.column_stack([np.pad(vs[name], spare), 0.1 * right[0]])
    return _optimum(problem, *descend_from(problem, flatten(us, vs), columns + 1))


def _optimum(problem, us, vs):
    delta = problem.op.like({name: us[name] @ vs[name].T for name in us})
    return Optimum(
        delta, problem.op.like(us), problem.op.like(vs), feasible_dual(problem, problem.f0 + problem.op.apply(delta))
    )
