"""Random problems of every kind for the certificate tests: losses, dense and factored features, several layers."""

import numpy as np

import ntklora as nl

LOSSES = ("squared", "logistic", "cross_entropy")


def random_problem(seed, loss="squared", *, n=6, k=1, shapes=((4, 5),), lam=0.05, factored=False, positions=2):
    """Gaussian features and targets; `lam` is relative to λ_max (0 stays 0); one shape gives a bare problem."""
    rng = np.random.default_rng(seed)
    if factored:
        a = {f"w{i}": rng.standard_normal((n, positions, s[1])) for i, s in enumerate(shapes)}
        b = {f"w{i}": rng.standard_normal((n, k, positions, s[0])) for i, s in enumerate(shapes)}
        op = nl.TangentOperator.from_factors(*((a, b) if len(shapes) > 1 else (a["w0"], b["w0"])))
    else:
        g = {f"w{i}": rng.standard_normal((n, k, *s)) for i, s in enumerate(shapes)}
        op = nl.TangentOperator.from_dense(g if len(shapes) > 1 else g["w0"])
    f0 = 0.3 * rng.standard_normal((n, k))
    y = {
        "squared": lambda: rng.standard_normal((n, k)),
        "logistic": lambda: rng.choice([-1.0, 1.0], n),
        "cross_entropy": lambda: rng.integers(0, k, n),
    }[loss]()
    problem = nl.Problem(op, f0, y, loss, 0.0)
    return problem.with_lam(lam * nl.lam_max(problem)) if lam else problem


def random_delta(problem, seed, scale=0.3):
    rng = np.random.default_rng(seed)
    return problem.op.like({name: scale * rng.standard_normal(s) for name, s in problem.shapes.items()})


def random_factors(problem, rank, seed, scale=0.5):
    rng = np.random.default_rng(seed)
    us = {name: scale * rng.standard_normal((s[0], rank)) for name, s in problem.shapes.items()}
    vs = {name: scale * rng.standard_normal((s[1], rank)) for name, s in problem.shapes.items()}
    return problem.op.like(us), problem.op.like(vs)
