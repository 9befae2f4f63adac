"""Planted optima are certified minimizers of the rank asked for, whatever the loss and the number of weights."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.planted_optima import plant_optimum


@pytest.mark.parametrize(("loss", "k"), [("squared", 1), ("squared", 3), ("logistic", 1), ("cross_entropy", 3)])
@pytest.mark.parametrize("ranks", [(1,), (6,), (4, 2)])
def test_the_planted_delta_is_optimal(loss, k, ranks):
    for seed in range(3):
        problem, delta = plant_optimum(ranks, 4, seed=seed, num_outputs=k, loss=loss)
        assert abs(nl.duality_gap(problem, delta).gap) < 1e-11
        assert tuple(np.linalg.matrix_rank(d) for d in delta.values()) == ranks


def test_impossible_ranks_are_refused():
    with pytest.raises(ValueError, match="ranks >= 1"):
        plant_optimum([2, 0], 4, seed=0)
