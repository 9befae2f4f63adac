"""The benchmark of the optimum measures both answers by one certificate; its conic words are the problem's."""

import numpy as np
import pytest

from ntklora.bench.conic import installed, solve_conic
from ntklora.bench.optimum import compare, compare_path
from ntklora.certificates.duality import duality_gap
from ntklora.instances.gaussian import gaussian_problem

needs_conic = pytest.mark.skipif(not installed(), reason="the extra `comparison` has the conic solver")


def small(loss, outputs):
    return gaussian_problem((5, 4), num_samples=6, num_outputs=outputs, loss=loss, seed=1, lam_ratio=0.1)


@needs_conic
@pytest.mark.parametrize(("loss", "outputs"), [("squared", 2), ("logistic", 1), ("cross_entropy", 3)])
def test_the_conic_point_is_nearly_optimal_by_our_gap(loss, outputs):
    problem = small(loss, outputs)
    conic = solve_conic(problem, accuracy=1e-8, time_limit=20.0)
    assert duality_gap(problem, conic.deltas).gap < 1e-4


def test_both_are_in_the_row():
    record = compare(small("squared", 1), "small", repeats=1, time_limit=20.0)
    assert record.seconds > 0
    assert np.isfinite(record.ratio) == installed()
    assert float(record.note.split("gap ")[1].split(",")[0]) <= 1e-8


def test_a_path_is_its_solves():
    record = compare_path(small("squared", 1), repeats=1)
    assert float(record.note.split("gap ")[1].split(";")[0]) <= 1e-8
