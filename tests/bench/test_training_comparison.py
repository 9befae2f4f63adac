"""The training benchmark compares one path with itself: both programs give the same objectives, at every width."""

import numpy as np
import pytest

from ntklora.bench.training import compare, digits_features, settings, width_curve


@pytest.mark.parametrize("case", ["factored 64x64", "no structure 64x64"])
def test_both_programs_give_the_same_objectives(case, monkeypatch):
    monkeypatch.setattr("ntklora.bench.measure.PEAK_SIDE", 8)
    record = compare(settings()[case](), case, "float64", rank=2, instances=3, steps=4, repeats=1)
    assert float(record.note.split("differ by ")[1].split()[0]) < 1e-13
    assert record.ratio == record.baseline_seconds / record.seconds
    assert record.gflops > 0 < record.peak_share


def test_features_drawn_without_the_weight_have_the_law_of_the_network():
    """The kernel of a wide network is its limit: two independent draws agree as the width grows."""
    grams = [digits_features(8000, 6, seed=seed).gram()[:, :, 0, 0] for seed in (0, 1)]
    np.testing.assert_allclose(grams[0], grams[1], rtol=0.15)


def test_the_curve_has_every_width():
    curve = width_curve((64, 128), rank=2, instances=2, steps=3, repeats=1)
    assert [point.width for point in curve] == [64, 128]
    assert all(point.once_seconds > 0 for point in curve)
