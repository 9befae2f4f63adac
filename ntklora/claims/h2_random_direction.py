"""H2: what asymmetric LoRA reaches from a random, rotation-invariant A."""

from __future__ import annotations

from functools import partial

import numpy as np

from ntklora.adapters.initializations import Gaussian, Initialization, Kaiming, Orthonormal
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
from ntklora.claims._factorization import Tilted, instance, is_rotation_invariant, train_draws
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.theory import hrp

_SHAPE = (8, 16)
_SPECTRA = {"slow": np.arange(1.0, 9.0) ** -0.25, "fast": np.arange(1.0, 9.0) ** -0.5}
_CELLS = {
    Profile.smoke: (("slow", 4),),
    Profile.default: (("slow", 4), ("slow", 2), ("fast", 4)),
    Profile.full: (("slow", 4), ("slow", 2), ("slow", 1), ("fast", 4), ("fast", 2), ("fast", 1)),
}
_ERROR = 0.02  # of r/b: a mean off by this much is refuted
_START = Gaussian(0.25)
# The step is 1/μ_max(AᵀA), so an iteration shrinks the error by 1 − μ_min/μ_max: about 1/10 at r = 4, b = 16.
_STEPS = 250


def _check(profile: Profile, initialization: Initialization = _START) -> Evidence:
    """Mean and variance for every spectrum and rank, and the spectrum without variance."""
    if not is_rotation_invariant(initialization):
        return INAPPLICABLE
    cells = _CELLS[profile]
    tests = 2 * len(cells)
    findings = []
    for spectrum, rank in cells:
        draws = _simulate(spectrum, rank, _num_draws(spectrum, rank, tests), initialization=initialization)
        findings += _findings(spectrum, rank, tests, draws)
    return evidence([*findings, _flat()])


def _findings(spectrum: str, rank: int, num_tests: int, draws: Draws) -> list[Finding]:
    sigma, b = _SPECTRA[spectrum], _SHAPE[1]
    mean, variance = hrp.random_mean(sigma, b, rank), hrp.random_variance(sigma, b, rank)
    name = f"{spectrum} spectrum, r = {rank}"
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
    initialization: Initialization = _START,
    steps: int = _STEPS,
    trained: Trained = Trained.left,
) -> Draws:
    target = instance(_SHAPE, _SPECTRA[spectrum], seed=1)
    return train_draws(target, rank, draws, seed, initialization=initialization, steps=steps, trained=trained)


def _flat() -> Finding:
    """All b singular values equal: no variance, every draw is the Eckart–Young value."""
    target, rank = instance((16, 16), np.ones(16), seed=2), 4
    draws = train_draws(target, rank, 50, 3, initialization=Orthonormal(), steps=10)
    predicted = hrp.eckart_young(np.ones(16), rank)
    return compare_values("each draw, flat spectrum, r = 4", draws.loss, predicted, 1e-9, excess=draws.excess)


def _control(profile: Profile, draws: Draws) -> Evidence:
    return evidence(_findings("slow", 4, 2, draws))


def _count() -> int:
    return _num_draws("slow", 4, 2)


def _directed(profile: Profile) -> Evidence:
    right = np.linalg.svd(instance(_SHAPE, _SPECTRA["slow"], seed=1))[2].T
    # Standard deviation 2 along the three leading right singular vectors of M, 1 along the others.
    tilt = right * np.where(np.arange(16) < 3, 2.0, 1.0) @ right.T
    return _control(profile, _simulate("slow", 4, _count(), initialization=Tilted(0.25 * tilt)))


def _one_rank_more(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", 5, _count()))


def _two_percent_more(profile: Profile) -> Evidence:
    share = _ERROR * 4  # of the draws at rank 5: the mean rank is 1.02 · 4
    more = round(share * _count())
    parts = _simulate("slow", 4, _count() - more), _simulate("slow", 5, more, seed=1)
    return _control(profile, Draws(*(np.concatenate(column) for column in zip(*parts))))


def _classic(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", 4, 100, trained=Trained.both))


def _stopped_early(profile: Profile) -> Evidence:
    return _control(profile, _simulate("slow", 4, _count(), steps=15))


claim = Claim(
    id="H2",
    statement="Asymmetric LoRA from a rotation-invariant random A ends at (1 - r/b) L0 in expectation, for any "
    "spectrum, with variance r(b-r)/(2b(b-1)(b+2)) (sum sigma^4 - |M|^4/b); all equal iff the spectrum is flat",
    source="Chen et al., arXiv 2502.07739 (claim); exact form derived",
    label=Label.derived,
    version=2,
    check=_check,
    controls=(
        Control("A leans towards M's leading directions", Outcome.refuted, _directed),
        Control("rank r + 1 is simulated", Outcome.refuted, _one_rank_more),
        Control("the mean rank is simulated 2% too high", Outcome.refuted, _two_percent_more),
        Control("both factors are trained", Outcome.refuted, _classic),
        Control("training stops after 15 steps", Outcome.inconclusive, _stopped_early),
        Control("Kaiming's uniform A", Outcome.inapplicable, partial(_check, initialization=Kaiming())),
    ),
)
