"""H6: what high-rank preheating gains over a random direction, and where it gains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ntklora.adapters.hrp import HRP
from ntklora.adapters.initializations import Gaussian, Kaiming, Orthonormal, Padded, ZeroLeft
from ntklora.adapters.training import Trained
from ntklora.claims._evidence import (
    Draws,
    Finding,
    compare_mean,
    compare_order,
    compare_values,
    evidence,
    required_draws,
)
from ntklora.claims._factorization import COLUMNS, LANES, Tilted, instance, is_rotation_invariant, train_draws
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.theory import hrp

# Not square, so that R/b and R/a are told apart; b equal singular values need a ≥ b.
_SHAPE, _FLAT_SHAPE = (8, 12), (12, 12)
_RANK = COLUMNS
_LOW_RANK = np.array([2.0, 1.8, 1.6, 1.4])  # rank M ≤ r: the bound is attained
_DECAYING = np.arange(1.0, 9.0) ** -0.5
_FLAT = np.ones(12)  # as many equal values as columns
# Preheating rank, draw of A_p, preheating steps: any T does for an orthonormal A_p, a Gaussian one must converge.
_CELLS = {
    Profile.smoke: ((6, Orthonormal(), 5),),
    Profile.default: ((6, Orthonormal(), 5), (9, Orthonormal(), 5), (5, Gaussian(0.25), 120)),
    Profile.full: (
        *((rank, Orthonormal(), 5) for rank in (5, 6, 7, 8, 9, 10, 11)),
        (5, Gaussian(0.25), 120),
        (6, Gaussian(0.25), 1000),
    ),
}
_ERROR = 0.02  # of R/b: a mean off by this much is refuted
_MAIN_STEPS = 10  # A0 has orthonormal columns: each step leaves a hundredth of the error


def _check(profile: Profile, cells: Sequence[tuple[int, ZeroLeft, int]] | None = None) -> Evidence:
    """Equality for a target of low rank, the bound beyond, monotone in R, nothing for a flat spectrum."""
    cells = _CELLS[profile] if cells is None else cells
    if any(preheat_rank < _RANK or not is_rotation_invariant(random) for preheat_rank, random, _ in cells):
        return INAPPLICABLE
    tests = 3 * len(cells)
    findings = [f for cell in cells for f in (_equality(cell, tests), *_bounds(cell, tests))]
    ranks = tuple(range(4, 13)) if profile is Profile.full else (4, 8, 12)
    return evidence([*findings, *_monotone(ranks), _flat()])


def _equality(cell: tuple[int, ZeroLeft, int], num_tests: int, draws: Draws | None = None) -> Finding:
    preheat_rank, random, steps = cell
    predicted = hrp.preheated_mean(_LOW_RANK, _SHAPE[1], preheat_rank, _RANK)
    assert predicted is not None
    # With rank M ≤ r the loss is ½‖M(I − P_R)‖²: the variance is that of H2 at rank R.
    deviation = hrp.random_variance(_LOW_RANK, _SHAPE[1], preheat_rank) ** 0.5
    if draws is None:
        draws = _simulate(_LOW_RANK, preheat_rank, _num_draws(preheat_rank, num_tests), random=random, steps=steps)
    name = f"mean, rank M = {_RANK}, R = {preheat_rank}, {type(random).__name__} A_p"
    return compare_mean(name, draws.loss, predicted, num_tests, deviation=deviation, excess=draws.excess)


def _num_draws(preheat_rank: int, num_tests: int) -> int:
    effect = _ERROR * preheat_rank / _SHAPE[1] * hrp.loss_at_zero(_LOW_RANK)
    return required_draws(hrp.random_variance(_LOW_RANK, _SHAPE[1], preheat_rank) ** 0.5, effect, num_tests)


def _bounds(cell: tuple[int, ZeroLeft, int], num_tests: int, draws: Draws | None = None) -> list[Finding]:
    preheat_rank, random, steps = cell
    draws = draws or _simulate(_DECAYING, preheat_rank, 1000, random=random, steps=steps)
    name = f"decaying spectrum, R = {preheat_rank}, {type(random).__name__} A_p"
    levels = {
        "at most the bound": hrp.preheated_bound(_DECAYING, _SHAPE[1], preheat_rank, _RANK),
        "at most random": hrp.random_mean(_DECAYING, _SHAPE[1], _RANK),
    }
    return [
        compare_mean(f"{what}, {name}", draws.loss, level, num_tests, excess=draws.excess, at_most=True)
        for what, level in levels.items()
    ]


def _monotone(preheat_ranks: tuple[int, ...]) -> list[Finding]:
    """Every draw's loss falls with R, from R = r (random) to R = b (Eckart–Young): one key's padded A_p are nested."""
    runs = [_simulate(_DECAYING, preheat_rank, LANES) for preheat_rank in preheat_ranks]
    return [
        compare_order(f"largest rise from R = {low} to {high}, nested A_p", later, earlier, 1e-9)
        for low, high, earlier, later in zip(preheat_ranks, preheat_ranks[1:], runs, runs[1:])
    ]


def _flat() -> Finding:
    draws = _simulate(_FLAT, 6, LANES, shape=_FLAT_SHAPE)
    predicted = hrp.random_mean(_FLAT, 12, _RANK)
    return compare_values("each draw, flat spectrum, R = 6", draws.loss, predicted, 1e-9, excess=draws.excess)


def _simulate(
    sigma: np.ndarray,
    preheat_rank: int,
    draws: int,
    *,
    random: ZeroLeft | None = None,
    steps: int = 5,
    shape: tuple[int, int] = _SHAPE,
    preheat: Trained = Trained.left,
    main: Trained = Trained.left,
    main_steps: int = _MAIN_STEPS,
) -> Draws:
    start = HRP(shape[1], steps, random=Padded(random or Orthonormal(), preheat_rank), trained=preheat)
    target = instance(shape, sigma, seed=4)
    return train_draws(target, _RANK, draws, 5, initialization=start, steps=main_steps, trained=main)


def _equality_control(draws: Draws) -> Evidence:
    return evidence([_equality((6, Orthonormal(), 5), 1, draws)])


def _one_rank_less(profile: Profile) -> Evidence:
    return _equality_control(_simulate(_LOW_RANK, 5, _num_draws(6, 1)))


def _directed(profile: Profile) -> Evidence:
    right = np.linalg.svd(instance(_SHAPE, _LOW_RANK, seed=4))[2].T
    # Standard deviation 2 along the leading right singular vector of M, 1 along the others.
    tilt = right * np.where(np.arange(12) < 1, 2.0, 1.0) @ right.T
    return _equality_control(_simulate(_LOW_RANK, 6, 500, random=Tilted(0.25 * tilt), steps=200))


def _classic_preheat(profile: Profile) -> Evidence:
    return _equality_control(_simulate(_LOW_RANK, 6, LANES, preheat=Trained.both, steps=200))


def _classic_main_stage(profile: Profile) -> Evidence:
    return _equality_control(_simulate(_LOW_RANK, 6, LANES, main=Trained.both, main_steps=200))


def _stopped_early(profile: Profile) -> Evidence:
    return _equality_control(_simulate(_LOW_RANK, 6, _num_draws(6, 1), random=Gaussian(0.25), steps=10))


def _gain_on_flat(profile: Profile) -> Evidence:
    """A gain of one per cent over a random direction, claimed for the flat spectrum."""
    draws = _simulate(_FLAT, 6, LANES, shape=_FLAT_SHAPE)
    claimed = 0.99 * hrp.random_mean(_FLAT, 12, _RANK)
    return evidence([compare_mean("mean, flat spectrum", draws.loss, claimed, 1, excess=draws.excess, at_most=True)])


claim = Claim(
    id="H6",
    statement="High-rank preheating at rank R, then LoRA of rank r on the leading right directions with A frozen: "
    "E L ≤ (1 − R/b) L₀ + (R/b) L_EY, equal to (1 − R/b) L₀ if rank M ≤ r; falls with R for nested A_p; never worse "
    "than a random direction; no gain for a flat spectrum.",
    source="Chen et al., arXiv 2502.07739 (claim); exact form derived",
    label=Label.derived,
    version=5,
    check=_check,
    controls=(
        Control("preheated at rank R - 1", Outcome.refuted, _one_rank_less),
        Control("A_p leans towards M's leading direction", Outcome.refuted, _directed),
        Control("classic preheat", Outcome.refuted, _classic_preheat),
        Control("classic main stage", Outcome.refuted, _classic_main_stage),
        Control("preheat with a Gaussian A_p stops after 10 steps", Outcome.inconclusive, _stopped_early),
        Control("a gain claimed for the flat spectrum", Outcome.refuted, _gain_on_flat),
        Control("preheated at rank r - 1", Outcome.inapplicable, partial(_check, cells=((3, Orthonormal(), 5),))),
        Control("A_p uniform, as Kaiming's", Outcome.inapplicable, partial(_check, cells=((6, Kaiming(), 200),))),
    ),
)
