"""The rows of the preheating experiment agree with the levels they are shown beside."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.profile import Profile
from ntklora.theory import hrp

EXPERIMENT = all_experiments()["high_rank_preheating"]
STAGES = EXPERIMENT.parameters(
    instance="decaying",
    rank=4,
    draws=40,
    seed=3,
    main="asymmetric",
    main_steps=10,
    start="preheated",
    preheat="asymmetric",
    preheat_steps=4,
    preheat_rank=24,
)


def test_rows_have_the_columns_declared_and_cells_the_parameters():
    assert set(asdict(STAGES)) == set(EXPERIMENT.axes)
    assert all(EXPERIMENT.cells(profile) for profile in Profile)


def test_full_preheating_and_wise_starts_end_at_eckart_young_and_a_random_one_at_its_mean():
    sigma = np.arange(1.0, 17.0) ** -1.0
    full = EXPERIMENT.run(STAGES)
    np.testing.assert_allclose(full["loss"], hrp.eckart_young(sigma, 4), rtol=1e-9)
    assert full["exact_mean"] == pytest.approx(full["eckart_young"])
    wise = EXPERIMENT.run(replace(STAGES, start="wise", preheat_rank=0))
    np.testing.assert_allclose(wise["loss"], [full["eckart_young"]], rtol=1e-9)
    random = EXPERIMENT.run(replace(STAGES, start="random", preheat_rank=0))
    assert abs(random["mean"] - random["exact_mean"]) < 5 * random["standard_error"]
    assert (random["bound"], full["primal"]) == (None, None)
