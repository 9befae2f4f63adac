"""H8: the factor that the preheat trained carries the target."""

from __future__ import annotations

from functools import partial

import numpy as np

from ntklora.adapters.hrp import HRP, Start
from ntklora.adapters.initializations import Orthonormal, Padded
from ntklora.adapters.training import Trained
from ntklora.claims._evidence import Draws, compare_limits, compare_order, evidence
from ntklora.claims._factorization import COLUMNS, LANES, instance, train_draws
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile

_SHAPE, _RANK, _PREHEAT_RANK = (12, 12), COLUMNS, 6
_DECAYING, _FLAT = np.arange(1.0, 13.0) ** -0.5, np.ones(12)


def _check(profile: Profile, *, preheat: Trained = Trained.left, steps: int = 10) -> Evidence:
    """Draw by draw: left frozen is no worse than right frozen; the same for a flat spectrum."""
    if preheat is Trained.both:
        return INAPPLICABLE
    draws = LANES if profile is Profile.smoke else 2 * LANES
    left, right = (_simulate(_DECAYING, start, draws, preheat, steps) for start in (Start.left, Start.right))
    left_flat, right_flat = (_simulate(_FLAT, start, draws, preheat, steps) for start in (Start.left, Start.right))
    return evidence(
        [
            compare_order("left frozen above right frozen by at most", left, right, 1e-9),
            compare_limits("left frozen minus right frozen, flat spectrum", left_flat, right_flat, 1e-9),
        ]
    )


def _simulate(sigma: np.ndarray, start: Start, draws: int, preheat: Trained, steps: int) -> Draws:
    initialization = HRP(_PREHEAT_RANK, 5, trained=preheat, start=start, random=Padded(Orthonormal(), _PREHEAT_RANK))
    trained = Trained.right if start is Start.left else Trained.left
    target = instance(_SHAPE, sigma, seed=7)
    return train_draws(target, _RANK, draws, 8, initialization=initialization, steps=steps, trained=trained)


claim = Claim(
    id="H8",
    statement="After an asymmetric preheat the trained factor carries M: freezing the left factor at U_r ends no "
    "higher than freezing the right one at V_r, draw by draw; the two are equal for a flat spectrum.",
    source="Chen et al., arXiv 2502.07739 (subject); derived",
    label=Label.derived,
    version=3,
    check=_check,
    controls=(
        Control("the preheat trains the right factor", Outcome.refuted, partial(_check, preheat=Trained.right)),
        Control("the main stage stops after one step", Outcome.inconclusive, partial(_check, steps=1)),
        Control("the preheat trains both factors", Outcome.inapplicable, partial(_check, preheat=Trained.both)),
    ),
)
