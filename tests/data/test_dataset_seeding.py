"""Tasks, subsets and splits: what they contain, that the seed decides, and what they refuse."""

import numpy as np
import pytest

from ntklora.data.dataset import Dataset, balanced_subset, binary_task, class_task, one_hot, random_labels, split
from ntklora.data.digits import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_digits_are_the_file_standardized(digits):
    assert digits.x.shape == (1797, 64)
    assert digits.y.tolist()[:5] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([digits.x.mean(), digits.x.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(np.mean(np.sum(digits.x**2, 1)), 64, rtol=1e-12)


def test_binary_task_keeps_examples_with_their_labels(digits):
    task = binary_task(digits, 3, 8)
    np.testing.assert_array_equal(task.x[task.y == 1], digits.x[digits.y == 8])
    np.testing.assert_array_equal(task.x[task.y == -1], digits.x[digits.y == 3])
    assert len(task.y) == np.sum((digits.y == 3) | (digits.y == 8))


def test_class_task_relabels_in_the_order_given(digits):
    task = class_task(digits, (7, 1, 4))
    for label, digit in enumerate((7, 1, 4)):
        np.testing.assert_array_equal(task.x[task.y == label], digits.x[digits.y == digit])


def test_balanced_subset_is_balanced_without_repeats_and_decided_by_its_seed(digits):
    task = Dataset(np.arange(len(digits.y))[:, None], digits.y)
    first, again, other = (balanced_subset(task, 5, seed) for seed in (0, 0, 1))
    assert np.bincount(first.y).tolist() == [5] * 10
    assert len(np.unique(first.x)) == 50
    np.testing.assert_array_equal(digits.y[first.x[:, 0]], first.y)
    np.testing.assert_array_equal(first.x, again.x)
    assert np.any(first.x != other.x)


def test_split_is_a_partition(digits):
    train, rest = split(Dataset(np.arange(100)[:, None], np.arange(100)), 30, seed=4)
    assert sorted([*train.y, *rest.y]) == list(range(100))
    assert len(train.y) == 30


def test_random_labels_keep_counts_and_lose_the_pairing(digits):
    shuffled = random_labels(digits, seed=2)
    np.testing.assert_array_equal(np.bincount(shuffled.y), np.bincount(digits.y))
    assert np.mean(shuffled.y == digits.y) < 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: binary_task(d, 3, 3), "names a class twice"),
        (lambda d: class_task(d, (1, 12)), "class 12 does not occur; the labels are \\[0, 1"),
        (lambda d: balanced_subset(d, 500, 0), "per_class = 500, but label 0 has 178"),
        (lambda d: split(d, 0, 0), "num_train = 0 must lie in 1 ... 1797"),
        (lambda d: one_hot(d.y, 9), "must lie in 0 ... 8"),
    ],
)
def test_impossible_choices_are_refused(digits, make, message):
    with pytest.raises(ValueError, match=message):
        make(digits)
