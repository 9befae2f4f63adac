"""T2-strict: without perturbation, r(r+3)/2 > d excludes strict spurious minima, and one sample less does not.

Points planted as stationary and not global: at `N = r(r+3)/2 − 1` every one must show negative curvature, whatever the
draw, and LoRA started around them must end in global minima or valleys; at `N = r(r+3)/2` strict minima must be among
them, all the more the smaller the excess `e` of `‖Γ‖_op` over `λ`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.certificates.hessian import Hessian, hessian
from ntklora.certificates.inertia import hessian_curvature
from ntklora.certificates.span import span_dimension
from ntklora.certificates.stationary import is_stationary, point_at, units_of
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.landscape import judge_endpoints
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.planted import Planted, plant_spurious_minimum
from ntklora.problem.padding import pad_samples
from ntklora.problem.problem import Problem
from ntklora.theory.ranks import planting_threshold, sharp_landscape_rank

Matrices = dict[str, Any]

_RANKS = (1, 2, 3, 4)
_EXCESS = (1e-1, 1e-2, 1e-3, 1e-5)
# Ranks at which LoRA is trained one sample below the boundary.
_TRAINED = {Profile.smoke: (2,), Profile.default: (2, 3, 4), Profile.full: _RANKS}
_STARTS = 32
_DRAWS = {Profile.smoke: 5, Profile.default: 25, Profile.full: 200}


class Tally(NamedTuple):
    """Planted points of one rank, sample count and excess: how many are strict, how many saddles, of how many.

    `clearance` is the smallest `−κ/τ − 1` over the points: how far beyond the resolution `τ` all are saddles.
    """

    strict: int
    saddles: int
    draws: int
    clearance: float


def tally_planted(
    rank: int,
    num_samples: int,
    excess: float,
    draws: int,
    *,
    moved: float = 0.0,
    view: Callable[[Hessian], Hessian] = lambda h: h,
) -> Tally | None:
    """The tally of planted points of the seeds `0 … draws − 1`; see `tally_points`."""
    draws = draws if num_samples > 0 else 0  # there is nothing to plant on no samples
    points = (plant_spurious_minimum(rank, num_samples, seed=seed, excess=excess) for seed in range(draws))
    return tally_points(points, moved=moved, view=view)


def tally_points(
    points: Iterable[Planted], *, moved: float = 0.0, view: Callable[[Hessian], Hessian] = lambda h: h
) -> Tally | None:
    """Curvature modulo gauge of planted points; None when one is not stationary.

    Controls move the points by `moved` or look at another Hessian (`view`).
    """
    strict = saddles = draws = 0
    clearance = np.inf
    for planted in points:
        problem, us, vs = _host_point(planted, moved)
        if not is_stationary(units_of(problem), point_at(problem, us, vs)):
            return None
        found = hessian_curvature(view(hessian(problem, us, vs)))
        strict += found.negative == found.zero == 0
        saddles += found.negative > 0
        draws += 1
        clearance = min(clearance, -found.min_curvature / found.resolution - 1.0)
    return Tally(strict, saddles, draws, clearance)


def _host_point(planted: Planted, moved: float) -> tuple[Problem, Matrices, Matrices]:
    problem = planted.problem.host()
    us, vs = problem.op.as_dict(planted.u + moved), problem.op.as_dict(planted.v)
    return problem, us, vs


def _check(profile: Profile) -> Evidence:
    evidence = judge_boundary(profile)
    if evidence.outcome is not Outcome.consistent:
        return evidence
    trained = judge_trained([plant_in_common_size(rank, planting_threshold(rank) - 1) for rank in _TRAINED[profile]])
    assert isinstance(evidence.measured, dict)
    assert isinstance(trained.measured, dict)
    return evidence._replace(outcome=trained.outcome, measured=evidence.measured | trained.measured)


def plant_in_common_size(rank: int, num_samples: int) -> Planted:
    """A planted point as those of the largest rank are, so that all ranks are one program."""
    most = _RANKS[-1]
    planted = plant_spurious_minimum(rank, num_samples, seed=0, excess=1e-2, shape=(most + 3, most + 4))
    return planted._replace(problem=pad_samples(planted.problem, planting_threshold(most)))


def judge_trained(instances: Sequence[Planted]) -> Evidence:
    """Where LoRA ends from starts around planted points: nowhere strict above the optimum.

    Inapplicable where r(r+3)/2 ≤ d, or to a perturbed problem.
    """
    verdicts: list[Endpoint] = []
    for problem, u, v in instances:
        rank = u.shape[1]
        if problem.perturbation is not None or rank < sharp_landscape_rank(span_dimension(problem)):
            return INAPPLICABLE
        rng = np.random.default_rng(0)
        left, right = (x + 1e-2 * rng.standard_normal((_STARTS, *x.shape)) for x in (u, v))
        ends = find_endpoints(problem, rank, jax.random.key(0), starts=_STARTS, initial=(left, right))
        verdicts += judge_endpoints(problem, ends).kinds
    return none_strict(verdicts)


def none_strict(verdicts: Sequence[Endpoint]) -> Evidence:
    """No endpoint where the boundary forbids it is strict and above the optimum; inconclusive without endpoints."""
    strict = sum(verdict in (Endpoint.spurious, Endpoint.rank_limited) for verdict in verdicts)
    unfinished = sum(verdict in (Endpoint.unconverged, Endpoint.inconclusive) for verdict in verdicts)
    unsettled = unfinished > 0 or not verdicts
    outcome = Outcome.refuted if strict else Outcome.inconclusive if unsettled else Outcome.consistent
    measured = {"strict_endpoints_below": float(strict), "endpoints_below": float(len(verdicts))}
    return Evidence(outcome, {"strict_endpoints_below": 0.0}, measured, -float(strict))


def judge_boundary(
    profile: Profile, *, offset: int = 0, moved: float = 0.0, view: Callable[[Hessian], Hessian] = lambda h: h
) -> Evidence:
    """The boundary `N = r(r+3)/2 + offset`: no strict point below it, some at it, for every rank."""

    def tally(rank: int, excess: float, later: int) -> Tally | None:
        count = planting_threshold(rank) + offset - 1 + later
        return tally_planted(rank, count, excess, _DRAWS[profile], moved=moved, view=view)

    return judge_tallies(_RANKS, _EXCESS, tally)


def judge_tallies(
    ranks: Sequence[int], excesses: Sequence[float], tally: Callable[[int, float, int], Tally | None]
) -> Evidence:
    """No strict point below a boundary and some at it, at every rank for one excess or another.

    `tally(rank, excess, later)` is that of the points one sample below (`later = 0`) or at the boundary (`1`).
    """
    below, at, shares = [], [], {}
    for rank in ranks:
        for excess in excesses:
            pair = [tally(rank, excess, later) for later in (0, 1)]
            if pair[0] is None or pair[1] is None:
                return Evidence(Outcome.inconclusive, None, None, None)
            below.append(pair[0])
            at.append(pair[1])
            shares[f"strict_share_at_r{rank}_e{excess:g}"] = pair[1].strict / max(pair[1].draws, 1)
    strict_below = sum(tally.strict for tally in below)
    unresolved = sum(tally.draws - tally.strict - tally.saddles for tally in below)
    # One excess is enough for existence: the smallest is the easiest.
    each = len(excesses)
    missing = sum(max(tally.strict for tally in at[k : k + each]) == 0 for k in range(0, len(at), each))
    refuted = strict_below > 0 or missing > 0
    outcome = Outcome.refuted if refuted else Outcome.inconclusive if unresolved else Outcome.consistent
    margin = -float(strict_below + missing) if refuted else min(tally.clearance for tally in below)
    return Evidence(
        outcome,
        {"strict_below": 0.0, "ranks_without_strict_at_boundary": 0.0},
        {
            "strict_below": float(strict_below),
            "ranks_without_strict_at_boundary": float(missing),
            "unresolved_below": float(unresolved),
            "points_below": float(sum(tally.draws for tally in below)),
            **shares,
        },
        margin,
    )


def without_gauge(h: Hessian) -> Hessian:
    """The Hessian with the gauge directions counted as directions of the landscape."""
    return h._replace(gauge=np.zeros((len(h.diagonal), 0)))


claim = Claim(
    id="T2-strict",
    statement="At P = 0, r(r+3)/2 > d excludes spurious minima that are strict modulo gauge, for any data; from "
    "d = r(r+3)/2 on they exist.",
    source="derived; compare Waldspurger & Waters 2020, O'Carroll et al. 2022; theory 2.1",
    label=Label.derived,
    version=2,
    check=_check,
    controls=(
        Control(
            "boundary one sample later: minima are strict below it",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, offset=1),
        ),
        Control(
            "boundary one sample earlier: no minimum is strict at it",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, offset=-1),
        ),
        Control(
            "gauge directions counted as curvature",
            Outcome.refuted,
            lambda profile: judge_boundary(Profile.smoke, view=without_gauge),
        ),
        Control(
            "points that are not stationary",
            Outcome.inconclusive,
            lambda profile: judge_boundary(Profile.smoke, moved=1e-3),
        ),
        Control(
            "LoRA trained at d = r(r+3)/2",
            Outcome.inapplicable,
            lambda profile: judge_trained([plant_in_common_size(2, planting_threshold(2))]),
        ),
    ),
)
