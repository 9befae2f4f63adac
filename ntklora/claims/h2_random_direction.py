"""H2: what asymmetric LoRA reaches from a random, rotation-invariant A."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ntklora.adapters.initializations import Gaussian, Kaiming, Orthonormal, ZeroLeft
from ntklora.adapters.training import Trained
from ntklora.claims._evidence import (
    Draws,
    Finding,
    compare_mean,
    compare_values,
    compare_variance,
    evidence,
    required_draws,
)
from ntklora.claims._factorization import LANES, Tilted, instance, is_rotation_invariant, train_draws
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.theory import hrp

# Not square, so that r/b and r/a are told apart; b equal singular values need a ≥ b.
_SHAPE, _FLAT_SHAPE = (8, 12), (12, 12)
_SPECTRA = {"slow": np.arange(1.0, 9.0) ** -0.25, "fast": np.arange(1.0, 9.0) ** -0.5}
_FLAT = np.ones(12)  # as many equal values as columns
# The limit depends on the span of A alone, so the draws that are trained in ten steps (orthonormal columns: each leaves
# a hundredth of the error) do for all cells but one. That one has A as LoRA draws it, of unequal columns: its step is
# 1/μ_max(AᵀA), and an iteration leaves 1 − μ_min/μ_max of the error.
_QUICK, _LONG = (Orthonormal(), 10), (Gaussian(0.25), 120)
_CELLS = {
    Profile.smoke: (("slow", 3, *_LONG),),
    Profile.default: (("slow", 3, *_LONG), ("slow", 2, *_QUICK), ("fast", 3, *_QUICK), ("slow", 4, *_QUICK)),
    Profile.full: tuple((s, rank, *how) for s in _SPECTRA for rank in (1, 2, 3, 4) for how in (_QUICK, _LONG)),
}
_ERROR = 0.02  # of r/b: a mean off by this much is refuted


def _check(profile: Profile, cells: Sequence[tuple[str, int, ZeroLeft, int]] | None = None) -> Evidence:
    """Mean and variance for every spectrum and rank, and the spectrum without variance."""
    cells = _CELLS[profile] if cells is None else cells
    if not all(is_rotation_invariant(random) for _, _, random, _ in cells):
        return INAPPLICABLE
    tests = 2 * len(cells)
    findings = []
    for spectrum, rank, random, steps in cells:
        draws = _simulate(spectrum, rank, _num_draws(spectrum, rank, tests), random=random, steps=steps)
        findings += _findings(f"{type(random).__name__} A", spectrum, rank, tests, draws)
    return evidence([*findings, _flat()])


def _findings(start: str, spectrum: str, rank: int, num_tests: int, draws: Draws) -> list[Finding]:
    sigma, b = _SPECTRA[spectrum], _SHAPE[1]
    mean, variance = hrp.random_mean(sigma, b, rank), hrp.random_variance(sigma, b, rank)
    name = f"{spectrum} spectrum, r = {rank}, {start}"
    return [
        compare_mean(f"mean, {name}", draws.loss, mean, num_tests, deviation=variance**0.5, excess=draws.excess),
        compare_variance(f"variance, {name}", draws.loss, variance, num_tests, excess=draws.excess),
    ]


def _num_draws(spectrum: str, rank: int, num_tests: int) -> int:
    sigma, b = _SPECTRA[spectrum], _SHAPE[1]
    effect = _ERROR * rank / b * hrp.loss_at_zero(sigma)
    return required_draws(hrp.random_variance(sigma, b, rank) ** 0.5, effect, num_tests)


def _simulate(
    spectrum: str,
    rank: int,
    draws: int,
    seed: int = 0,
    *,
    random: ZeroLeft = _QUICK[0],
    steps: int = _QUICK[1],
    trained: Trained = Trained.left,
) -> Draws:
    target = instance(_SHAPE, _SPECTRA[spectrum], seed=1)
    return train_draws(target, rank, draws, seed, initialization=random, steps=steps, trained=trained)


def _flat() -> Finding:
    """All b singular values equal: no variance, every draw is the Eckart–Young value."""
    rank = 3
    draws = train_draws(instance(_FLAT_SHAPE, _FLAT, seed=2), rank, LANES, 3, initialization=Orthonormal(), steps=10)
    predicted = hrp.eckart_young(_FLAT, rank)
    return compare_values("each draw, flat spectrum, r = 3", draws.loss, predicted, 1e-9, excess=draws.excess)


# The controls claim rank 3.
_CLAIMED = 3


def _control(profile: Profile, draws: Draws) -> Evidence:
    return evidence(_findings("control", "slow", _CLAIMED, 2, draws))


def _count() -> int:
    return _num_draws("slow", _CLAIMED, 2)


def _directed(profile: Profile) -> Evidence:
    right = np.linalg.svd(instance(_SHAPE, _SPECTRA["slow"], seed=1))[2].T
    # Standard deviation 2 along the three leading right singular vectors of M, 1 along the others.
    tilt = right * np.where(np.arange(12) < 3, 2.0, 1.0) @ right.T
    return _control(profile, _simulate("slow", _CLAIMED, 1000, random=Tilted(0.25 * tilt), steps=_LONG[1]))


def _one_rank_more(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", _CLAIMED + 1, _count()))


def _two_percent_more(profile: Profile) -> Evidence:
    share = _ERROR * _CLAIMED  # of the draws at rank 4: the mean rank is 1.02 · 3
    more = round(share * _count())
    parts = _simulate("slow", _CLAIMED, _count() - more), _simulate("slow", _CLAIMED + 1, more, seed=1)
    return _control(profile, Draws(*(np.concatenate(column) for column in zip(*parts))))


def _classic(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", _CLAIMED, 100, steps=250, trained=Trained.both))


def _stopped_early(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", _CLAIMED, _count(), random=_LONG[0], steps=10))


claim = Claim(
    id="H2",
    statement="Asymmetric LoRA from a rotation-invariant random A ends at (1 − r/b) L₀ in expectation, for any "
    "spectrum, with variance r(b−r)/(2b(b−1)(b+2)) (Σσ⁴ − ‖M‖⁴/b); all equal iff the spectrum is flat.",
    source="Chen et al., arXiv 2502.07739 (claim); exact form derived",
    label=Label.derived,
    version=4,
    check=_check,
    controls=(
        Control("A leans towards M's leading directions", Outcome.refuted, _directed),
        Control("rank r + 1 is simulated", Outcome.refuted, _one_rank_more),
        Control("the mean rank is simulated 2% too high", Outcome.refuted, _two_percent_more),
        Control("both factors are trained", Outcome.refuted, _classic),
        Control("training stops after 10 steps", Outcome.inconclusive, _stopped_early),
        Control("Kaiming's uniform A", Outcome.inapplicable, partial(_check, cells=(("slow", 3, Kaiming(), 250),))),
    ),
)
