"""Stationary points whose class is known before anybody classifies them, by the hundred.

Global minima by their KKT system; spurious and rank-limited minima and saddles by construction (`S` is indefinite, so
none is global), with the dense float64 Hessian as the judge of curvature; valleys by the curve of constant F.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import scipy.linalg

import ntklora as nl
from ntklora.certificates.endpoints import Endpoint
from ntklora.data.teacher_student import random_frame
from ntklora.instances.worst_case import plant_worst_minimum
from ntklora.problem.losses import resolve_loss
from ntklora.problem.objective import factor_gradients
from ntklora.theory.ranks import gauge_count
from tests.certificates.denoising import matrix_denoising
from tests.certificates.dense_hessian import dense_hessian, gauge_directions

# What eigenvalues of the dense Hessian are good to, as a share of the largest.
ROUNDING = 1e-13
KINDS = (("squared", 1), ("squared", 2), ("logistic", 1), ("cross_entropy", 3))


class Truth(NamedTuple):
    """A point with its class, the smallest curvature modulo gauge relative to the largest, and a better point if any.

    `kind` is what there is to say without a convex optimum at hand: a strict minimum that is not global is `spurious`
    with a `rival` and `rank_limited` without.
    """

    family: str
    problem: nl.Problem
    u: object
    v: object
    kind: Endpoint
    curvature: float
    rival: object = None


def softest(problem, u, v):
    """Smallest eigenvalue of the dense Hessian modulo gauge, relative to the largest, and its direction by factors."""
    h, gauge = dense_hessian(problem, u, v), gauge_directions(problem, u, v)
    across = scipy.linalg.null_space(gauge.T) if gauge.shape[1] else np.eye(len(h))
    values, vectors = np.linalg.eigh(across.T @ h @ across)
    x, start, du, dv = across @ vectors[:, 0], 0, {}, {}
    for name, factor in problem.op.as_dict(u).items():
        m, n = problem.shapes[name]
        q = x[start : start + (m + n) * factor.shape[1]].reshape(m + n, -1)
        du[name], dv[name], start = q[:m], q[m:], start + q.size
    return values[0] / np.abs(np.linalg.eigvalsh(h)).max(), problem.op.like(du), problem.op.like(dv)


def judged(family, problem, u, v, *, rival=None, valley=False):
    """The truth of a stationary point that is not global; None where float64 does not know it.

    The point is stationary to rounding only, so the true one may be `‖g‖/|κ|` away along the softest direction: if the
    curvature changes its sign there, nobody knows it.
    """
    curvature, du, dv = softest(problem, u, v)
    if valley and abs(curvature) < ROUNDING:
        return Truth(family, problem, u, v, Endpoint.flat, 0.0, rival)
    scale = np.abs(np.linalg.eigvalsh(dense_hessian(problem, u, v))).max()
    gradient = np.sqrt(sum((g**2).sum() for side in factor_gradients(problem, u, v) for g in side.values()))
    if abs(curvature) < ROUNDING:
        return None
    hidden = gradient / (abs(curvature) * scale)
    for side in (hidden, -hidden):
        beside = (moved(problem, u, du, side), moved(problem, v, dv, side))
        if softest(problem, *beside)[0] * curvature <= 0:
            return None
    strict = Endpoint.rank_limited if rival is None else Endpoint.spurious
    return Truth(family, problem, u, v, Endpoint.saddle if curvature < 0 else strict, curvature, rival)


def moved(problem, factor, by, length):
    factors, steps = problem.op.as_dict(factor), problem.op.as_dict(by)
    return problem.op.like({name: factors[name] + length * steps[name] for name in factors})


def stationary_point(ranks, num_samples, seed, loss, num_outputs, excess, *, lam=0.1, valley=False):
    """Any loss, several weights: `Γ = −λUVᵀ + λ(1 + e) w1 w2ᵀ` in the first weight, `e = −½` in the others.

    A global minimum for `e < 0`, none for `e > 0`. With `valley` the features of the first weight are orthogonal to
    `u1 v2ᵀ + u2 v1ᵀ`.
    """
    rng, rule = np.random.default_rng(seed), resolve_loss(loss)
    z = rng.standard_normal((num_samples, num_outputs))
    if loss == "squared":
        y = z - rng.choice([-1.0, 1.0], z.shape) * rng.uniform(0.5, 1.5, z.shape)
    elif loss == "logistic":
        y = rng.choice([-1.0, 1.0], num_samples)
    else:
        y = rng.integers(num_outputs, size=num_samples)
    alpha = rule.gradient(z, y)
    features, us, vs = {}, {}, {}
    for layer, rank in enumerate(ranks):
        name, (m, n) = f"layer{layer}", (rank + 2, rank + 3)
        left, right = random_frame(m, rank + 1, rng), random_frame(n, rank + 1, rng)
        signs = lam * np.append(-np.ones(rank), 1 + excess if layer == 0 else 0.5)
        g = rng.standard_normal((num_samples, num_outputs, m, n))
        if valley and layer == 0:
            unseen = (np.outer(left[:, 0], right[:, 1]) + np.outer(left[:, 1], right[:, 0])) / np.sqrt(2.0)
            g -= np.einsum("ijmn,mn->ij", g, unseen)[:, :, None, None] * unseen
        g[-1, 0] = 0.0
        g[-1, 0] = (num_samples * (left * signs) @ right.T - np.einsum("ij,ijmn->mn", alpha, g)) / alpha[-1, 0]
        root = np.sqrt(rng.uniform(1.0, 2.0, rank))
        features[name], us[name], vs[name] = g, left[:, :rank] * root, right[:, :rank] * root
    op = nl.TangentOperator.from_dense(features)
    return nl.Problem(op, z - op.apply_factors(us, vs), y, rule, lam), us, vs


def samples_at(ranks, loss, num_outputs, offset):
    """Samples for which the span of the features is the first at which a planted point may be strict, plus `offset`."""
    seen = num_outputs - (loss == "cross_entropy")
    return -(-(ranks[0] + gauge_count(ranks)) // seen) + offset


def planted(seeds, excesses):
    for ranks, (loss, k), offset in product(((1,), (2,), (3,), (1, 2), (2, 2)), KINDS, (-1, 0, 1)):
        for excess, seed in product(excesses, seeds):
            n = samples_at(ranks, loss, k, offset)
            if n > 0:
                weights = "one weight" if len(ranks) == 1 else "two weights"
                yield judged(f"planted, {loss}, {weights}", *stationary_point(ranks, n, seed, loss, k, excess))


def nearly_degenerate(seeds):
    """The excess at which a planted minimum stops being strict, by bisection, and a little to either side."""
    for rank, (loss, k), seed in product((1, 2, 3), (("squared", 1), ("logistic", 1)), seeds):
        n, low, high = samples_at((rank,), loss, k, 0), -9.0, 0.5
        for _ in range(30):
            middle = 0.5 * (low + high)
            strict = softest(*stationary_point((rank,), n, seed, loss, k, 10.0**middle))[0] > 0
            low, high = (middle, high) if strict else (low, middle)
        for aside in (-1e-1, -1e-2, -1e-3, -1e-5, 1e-5, 1e-3, 1e-2, 1e-1):
            excess = 10.0**low * (1 + aside)
            yield judged("nearly degenerate", *stationary_point((rank,), n, seed, loss, k, excess))


def valleys(seeds):
    for rank, (loss, k), excess, seed in product((2, 3), (("squared", 1), ("logistic", 1)), (1e-1, 1e-2, 1e-3), seeds):
        point = stationary_point((rank,), samples_at((rank,), loss, k, -1), seed, loss, k, excess, valley=True)
        yield judged("valleys", *point, valley=True)


def optima(seeds):
    """Global minima, and the same with columns to spare."""
    for ranks, (loss, k), extra, seed in product(((1,), (3,), (2, 2)), KINDS, (0, 2), seeds):
        problem, us, vs = stationary_point(ranks, 4, seed, loss, k, -0.5)
        us, vs = ({name: np.pad(x, ((0, 0), (0, extra))) for name, x in side.items()} for side in (us, vs))
        yield Truth(f"optima, {loss}", problem, us, vs, Endpoint.global_, np.inf)


def padded(seeds):
    """Points that are not global with a column to spare: saddles, however small that column is."""
    for ranks, (loss, k), width, seed in product(((2,), (1, 2)), KINDS, (0.0, 1e-9), seeds):
        problem, us, vs = stationary_point(ranks, samples_at(ranks, loss, k, 0), seed, loss, k, 0.3)
        rng = np.random.default_rng(seed)
        us, vs = (
            {name: np.concatenate([x, width * rng.standard_normal((len(x), 1))], 1) for name, x in side.items()}
            for side in (us, vs)
        )
        yield Truth("a column to spare", problem, us, vs, Endpoint.saddle, softest(problem, us, vs)[0])


def denoised(seeds):
    """Eckart and Young's landscape, with decay and without."""
    cases = (
        ([0, 1], False, Endpoint.rank_limited),
        ([0, 2], False, Endpoint.saddle),
        ([0, 1], True, Endpoint.flat),
        ([0, 1, 2, 3], False, Endpoint.global_),
    )
    for (chosen, tie, kind), lam, seed in product(cases, (0.02, 0.0), seeds):
        rng = np.random.default_rng(seed)
        values = np.sort(rng.uniform(2, 4, 4))[::-1]
        values[2] = values[1] if tie else values[2]
        problem, u, v = matrix_denoising(rng, values, chosen, lam=lam)
        turn = np.linalg.qr(rng.standard_normal((len(chosen), len(chosen))))[0]
        u, v = u @ turn, v @ turn
        flat = kind in (Endpoint.flat, Endpoint.global_)
        yield Truth("denoising", problem, u, v, kind, np.inf if flat else softest(problem, u, v)[0])


def worst(seeds):
    """Minima with a better point of their rank in closed form."""
    for rank, curvature, seed in product((1, 2, 3, 4, 5), (0.5, 0.1, 1e-2, 1e-3), seeds):
        built = plant_worst_minimum(rank, curvature=curvature, seed=seed)
        yield judged("worst case", *built[:3], rival=(built.better_u, built.better_v))


def perturbed(truths):
    """The same points under a perturbation: `u = (A/λ)^{-1/2} u0` makes `(λ/2)‖u0‖²` into `½<A, u uᵀ>`, `A = λ'I + 2P`.

    A change of coordinates keeps every class, global minima, valleys and rivals included. For `λ > 0`.
    """
    for seed, truth in enumerate(truths):
        lam = float(truth.problem.lam)
        rng, inverse, roots, p = np.random.default_rng(seed), {}, {}, {}
        for name, shape in truth.problem.shapes.items():
            metrics = [_positive(size, rng) for size in shape]
            roots[name] = [scipy.linalg.sqrtm(metric).real for metric in metrics]
            inverse[name] = [np.linalg.inv(root) for root in roots[name]]
            p[name] = scipy.linalg.block_diag(*(0.5 * lam * (metric - 0.5 * np.eye(len(metric))) for metric in metrics))
            p[name] = 0.5 * (p[name] + p[name].T)
        op = truth.problem.op
        dense = op.as_dict(op.dense())
        g = op.like({name: roots[name][0] @ dense[name] @ roots[name][1] for name in dense})
        problem = nl.Problem(
            nl.TangentOperator.from_dense(g), truth.problem.f0, truth.problem.y, truth.problem.loss, 0.5 * lam, p
        )

        def turned(u, v, op=op, inverse=inverse):
            us, vs = op.as_dict(u), op.as_dict(v)
            return (
                op.like({name: inverse[name][0] @ us[name] for name in us}),
                op.like({name: inverse[name][1] @ vs[name] for name in vs}),
            )

        u, v = turned(truth.u, truth.v)
        rival = None if truth.rival is None else turned(*truth.rival)
        if truth.kind is Endpoint.global_:
            yield Truth("under P", problem, u, v, truth.kind, np.inf)
        else:
            yield judged("under P", problem, u, v, rival=rival, valley=truth.kind is Endpoint.flat)


def _positive(size, rng):
    """A symmetric matrix with eigenvalues between 1 and 2."""
    frame = random_frame(size, size, rng)
    return (frame * rng.uniform(1.0, 2.0, size)) @ frame.T
