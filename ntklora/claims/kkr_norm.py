"""KKR-norm: whatever is no worse than doing nothing has a nuclear norm of at most L(0)/λ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.loud import plant_loud_minimum
from ntklora.problem.objective import full_objective, gradient_matrices, nuclear_norm, training_loss
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.kkr import norm_bound

# Where a ray crosses a level is known to rounding.
_ACCURACY = 1e-9
_DIRECTIONS = {Profile.smoke: 30, Profile.default: 200, Profile.full: 2000}


def judge_norm(problems: Sequence[Problem], directions: int, *, level: float = 1.0, shift: float = 0.0) -> Evidence:
    """Whether `‖X‖_* ≤ (L(0) − shift)/λ` at points of the level set `F(X) = level · F(0)`, several on each problem."""
    if any(problem.lam == 0 for problem in problems):
        return INAPPLICABLE
    shares = [
        float(nuclear_norm(problem, point)) / norm_bound(float(training_loss(problem, problem.f0)) - shift, problem.lam)
        for seed, problem in enumerate(problems)
        for point in _level_points(problem, directions, level, seed)
    ]
    worst = float(max(shares))
    outcome = Outcome.consistent if worst <= 1 + _ACCURACY else Outcome.refuted
    return Evidence(
        outcome,
        {"largest_norm_over_bound": 1.0},
        {"largest_norm_over_bound": worst, "points": float(len(shares))},
        (1 + _ACCURACY - worst) / _ACCURACY,
    )


def _level_points(problem: Problem, directions: int, level: float, seed: int) -> list[np.ndarray]:
    """On rays about the steepest descent from 0, of every rank: the far point with `F = level · F(0)`."""
    rng, top = np.random.default_rng(seed), level * float(training_loss(problem, problem.f0))
    (steepest,) = gradient_matrices(problem, problem.loss.gradient(problem.f0, problem.y)).values()
    points = []
    for spread in np.linspace(0.0, 1.0, directions):
        noise = np.linalg.norm(steepest) / np.sqrt(steepest.size) * rng.standard_normal(steepest.shape)
        ray = spread * noise - steepest
        left, values, right = np.linalg.svd(ray, full_matrices=False)
        kept = rng.integers(1, len(values) + 1)
        ray = (left[:, :kept] * values[:kept]) @ right[:kept]

        def above(length: float, ray: np.ndarray = ray) -> float:
            return float(full_objective(problem, length * ray)) - top

        near = next((t for t in 2.0 ** np.arange(-20.0, 20.0) if above(t) < 0), None)
        if near is not None:  # a ray along which F rises from the start has no second point on the level of F(0)
            far = next(t for t in near * 2.0 ** np.arange(1.0, 60.0) if above(t) > 0)
            points.append(brentq(above, near, far, xtol=1e-14 * far, rtol=1e-14) * ray)
    return points


def _norm_instances() -> list[Problem]:
    planted = [plant_loud_minimum(values, seed=0).problem for values in ((1.0,), (2.0, 1.0), (2.0, 1.5, 1.0))]
    return [*planted, tight_norm_instance()]


def tight_norm_instance() -> Problem:
    """`½(x − 1)² + ½|x|`: the level set of F(0) = ½ is {0, 1}, and at 1 the loss is 0: `‖X‖_* = L(0)/λ`."""
    return Problem(TangentOperator.from_dense(np.ones((1, 1, 1, 1))), np.zeros(1), np.ones(1), "squared", 0.5)


def _norm(profile: Profile) -> Evidence:
    evidence = judge_norm(_norm_instances(), _DIRECTIONS[profile])
    assert isinstance(evidence.measured, dict)
    loose = evidence.measured["largest_norm_over_bound"] < 1 - _ACCURACY  # the last instance attains it
    return evidence._replace(outcome=Outcome.refuted) if loose else evidence


claim = Claim(
    id="KKR-norm",
    statement="For a loss that is nowhere negative, every X with F(X) ≤ F(0) has ‖X‖_* ≤ L(0)/λ.",
    source="derived; theory 2.4",
    label=Label.derived,
    version=1,
    check=_norm,
    controls=(
        Control(
            "points with F(X) = 2 F(0)",
            Outcome.refuted,
            lambda profile: judge_norm([tight_norm_instance()], 8, level=2.0),
        ),
        Control(
            "a loss shifted below zero",
            Outcome.refuted,
            lambda profile: judge_norm([tight_norm_instance()], 8, shift=0.1),
        ),
        Control(
            "no weight decay",
            Outcome.inapplicable,
            lambda profile: judge_norm([tight_norm_instance().with_lam(0.0)], 8),
        ),
    ),
)
