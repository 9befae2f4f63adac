"""Small random problems of every kind that a solver must take: loss, layout, number of weights, perturbation."""

import numpy as np

from ntklora.problem.objective import lam_max
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Transposed, TwoSided
from ntklora.tangent.operator import TangentOperator

OUTPUTS = {"squared": 2, "logistic": 1, "cross_entropy": 3}


def targets(rng, loss, samples, outputs):
    """Random targets as the loss takes them."""
    if loss == "squared":
        return rng.normal(size=(samples, outputs))
    return rng.choice([-1.0, 1.0], samples) if loss == "logistic" else rng.integers(0, outputs, samples)


def random_problem(
    seed, loss="squared", *, layout="factored", samples=10, outputs=None, shapes=((6, 5),), positions=1, lam=0.1,
    perturbed=False,
):  # fmt: skip
    """Gaussian features, `lam` in units of `lam_max`; several shapes make several weights."""
    rng = np.random.default_rng(seed)
    outputs = outputs or OUTPUTS[loss]
    a = {f"w{i}": rng.normal(size=(samples, positions, n)) for i, (m, n) in enumerate(shapes)}
    b = {f"w{i}": rng.normal(size=(samples, outputs, positions, m)) for i, (m, n) in enumerate(shapes)}
    op = TangentOperator.from_factors(a, b) if len(shapes) > 1 else TangentOperator.from_factors(a["w0"], b["w0"])
    if layout == "dense":
        op = TangentOperator.from_dense(op.dense())
    elif layout == "transposed":
        op = TangentOperator({k: Transposed(block) for k, block in op.blocks.items()}, op.bare)
    elif layout == "two-sided":
        op = TangentOperator({k: TwoSided(block, Transposed(block)) for k, block in op.blocks.items()}, op.bare)
    problem = Problem(op, 0.1 * rng.normal(size=(samples, outputs)), targets(rng, loss, samples, outputs), loss, 1.0)
    problem = problem.with_lam(lam * lam_max(problem))
    if not perturbed:
        return problem
    roots = {name: rng.normal(size=(m + n, m + n)) for name, (m, n) in problem.shapes.items()}
    size = 0.05 * lam_max(problem)
    return problem.with_perturbation(problem.op.like({k: size * x @ x.T / len(x) for k, x in roots.items()}))


def random_factors(seed, problem, rank, deviation=0.5):
    """Gaussian factors by name."""
    rng = np.random.default_rng(seed)
    u = {name: deviation * rng.normal(size=(m, rank)) for name, (m, _) in problem.shapes.items()}
    v = {name: deviation * rng.normal(size=(n, rank)) for name, (_, n) in problem.shapes.items()}
    return u, v
