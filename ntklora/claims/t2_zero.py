"""T2-zero: without weight decay far smaller ranks are safe, r·max(m, n) ≥ d, and not one sample more.

Points planted at λ = 0 as stationary and not global: at `N = r·max(m, n)` every one must show negative curvature,
whatever the draw; with one sample more strict minima must be among them. And LoRA trained at `N = r·max(m, n)` from
random starts must end nowhere strict above the optimum.
"""

from __future__ import annotations

from collections.abc import Callable

import jax

from ntklora.certificates.endpoints import Endpoint
from ntklora.certificates.hessian import Hessian
from ntklora.certificates.span import span_dimension
from ntklora.certified.landscape import survey_landscape
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.t2_strict import Tally, judge_tallies, none_strict, tally_points, without_gauge
from ntklora.instances.gaussian import gaussian_problem
from ntklora.instances.planted import Planted, plant_spurious_minimum, plant_undecayed_minimum
from ntklora.problem.problem import Problem
from ntklora.theory.ranks import undecayed_landscape_rank

_RANKS = (1, 2, 3)
_EXCESS = (1e-1, 1e-2, 1e-3)
_DRAWS = {Profile.smoke: 5, Profile.default: 25, Profile.full: 200}
_SHAPES = ((4, 5), (4, 4))
_TRAINED = {Profile.smoke: 2, Profile.default: 6, Profile.full: 50}
_STARTS = 16


def _check(profile: Profile) -> Evidence:
    evidence = judge_boundary(profile)
    if evidence.outcome is not Outcome.consistent:
        return evidence
    trained = judge_trained([_typical(10, seed) for seed in range(_TRAINED[profile])], 2)
    assert isinstance(evidence.measured, dict)
    assert isinstance(trained.measured, dict)
    return evidence._replace(outcome=trained.outcome, measured=evidence.measured | trained.measured)


def _plant(rank: int, num_samples: int, seed: int, excess: float, shape: tuple[int, int]) -> Planted:
    return plant_undecayed_minimum(rank, num_samples, seed=seed, excess=excess, shape=shape)


def judge_boundary(
    profile: Profile,
    *,
    offset: int = 0,
    plant: Callable[[int, int, int, float, tuple[int, int]], Planted] = _plant,
    view: Callable[[Hessian], Hessian] = lambda h: h,
) -> Evidence:
    """The boundary `N = r·max(m, n) + offset`: no strict point at it, some with one sample more, for every rank.

    Controls plant otherwise, or look at another Hessian (`view`).
    """

    def tally(rank: int, excess: float, later: int) -> Tally | None:
        points = (
            plant(rank, rank * max(shape) + offset + later, seed, excess, shape)
            for shape in _SHAPES
            for seed in range(_DRAWS[profile])
        )
        return tally_points(points, view=view)

    return judge_tallies(_RANKS, _EXCESS, tally)


def _plant_decayed(rank: int, num_samples: int, seed: int, excess: float, shape: tuple[int, int]) -> Planted:
    return plant_spurious_minimum(rank, num_samples, seed=seed, excess=1e-2 * excess, shape=shape)


def _typical(num_samples: int, seed: int, lam_ratio: float = 0.0) -> Problem:
    return gaussian_problem((4, 5), num_samples=num_samples, seed=seed, lam_ratio=lam_ratio)


def judge_trained(problems: list[Problem], rank: int) -> Evidence:
    """Where LoRA ends from random starts: nowhere strict above the optimum.

    Inapplicable with weight decay, a perturbation, several weights, or r·max(m, n) < d.
    """
    verdicts: list[Endpoint] = []
    for problem in problems:
        (shape, *more) = problem.shapes.values()
        plain = problem.lam == 0 and problem.perturbation is None and not more
        if not plain or rank < undecayed_landscape_rank(span_dimension(problem), *shape):
            return INAPPLICABLE
        verdicts += survey_landscape(problem, rank, jax.random.key(0), starts=_STARTS).kinds
    return none_strict(verdicts)


claim = Claim(
    id="T2-zero",
    statement="At λ = 0 and P = 0, for one m×n weight, r·max(m, n) ≥ d excludes spurious minima with a positive "
    "Hessian modulo the gauge GL(r), for any data; from d = r·max(m, n) + 1 on they exist for r < min(m, n).",
    source="derived; theory.ranks.undecayed_landscape_rank",
    label=Label.derived,
    version=1,
    check=_check,
    controls=(
        Control(
            "boundary one sample later: minima are strict at it",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, offset=1),
        ),
        Control(
            "boundary one sample earlier: no minimum is strict with one sample more",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, offset=-1),
        ),
        Control(
            "with weight decay: planted minima are strict at N = r·max(m, n)",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, plant=_plant_decayed),
        ),
        Control(
            "gauge directions counted as curvature",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, view=without_gauge),
        ),
        Control(
            "LoRA trained with weight decay",
            Outcome.inapplicable,
            lambda profile: judge_trained([_typical(10, 0, lam_ratio=0.01)], 2),
        ),
        Control(
            "LoRA trained on one sample more",
            Outcome.inapplicable,
            lambda profile: judge_trained([_typical(11, 0)], 2),
        ),
    ),
)
