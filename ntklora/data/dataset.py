"""A data set, and the seeded choices made from it: which classes, which examples, which labels.

A pipeline reads `balanced_subset(binary_task(load_digits(), 3, 8), per_class=16, seed=0)`. Each function draws from
`numpy.random.default_rng(seed)` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Dataset(NamedTuple):
    """Examples `x (N, …)` and one target each, `y (N,)`: class indices, labels −1/+1, or numbers."""

    x: np.ndarray
    y: np.ndarray


def binary_task(data: Dataset, negative: int, positive: int) -> Dataset:
    """The examples of two classes, labelled −1 and +1, in the data's order.

    Errors: `ValueError` when the classes coincide or one is absent.
    """
    task = class_task(data, (negative, positive))
    return Dataset(task.x, 2.0 * task.y - 1.0)


def class_task(data: Dataset, classes: Sequence[int]) -> Dataset:
    """The examples of these classes, relabelled 0 … len(classes)−1 in the order given.

    Errors: `ValueError` for a class named twice or absent from the data.
    """
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes = {tuple(classes)} names a class twice")
    absent = [c for c in classes if not np.any(data.y == c)]
    if absent:
        raise ValueError(f"class {absent[0]} does not occur; the labels are {np.unique(data.y).tolist()}")
    member = data.y[:, None] == np.asarray(classes)
    chosen = member.any(1)
    return Dataset(data.x[chosen], member[chosen].argmax(1))


def balanced_subset(data: Dataset, per_class: int, seed: int) -> Dataset:
    """`per_class` examples of each label, drawn without replacement, in random order.

    Errors: `ValueError` when a label has fewer examples.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(data.y):
        members = np.flatnonzero(data.y == label)
        if not 1 <= per_class <= len(members):
            raise ValueError(f"per_class = {per_class}, but label {label} has {len(members)} examples")
        chosen.append(rng.choice(members, per_class, replace=False))
    return _rows(data, rng.permutation(np.concatenate(chosen)))


def split(data: Dataset, num_train: int, seed: int) -> tuple[Dataset, Dataset]:
    """A random `num_train` of the examples, and the others.

    Errors: `ValueError` unless 1 <= num_train <= N.
    """
    count = len(data.y)
    if not 1 <= num_train <= count:
        raise ValueError(f"num_train = {num_train} must lie in 1 ... {count}, the number of examples")
    order = np.random.default_rng(seed).permutation(count)
    return _rows(data, order[:num_train]), _rows(data, order[num_train:])


def random_labels(data: Dataset, seed: int) -> Dataset:
    """The same examples with their labels permuted at random: label counts stay, meaning goes."""
    return Dataset(data.x, np.random.default_rng(seed).permutation(data.y))


def one_hot(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Class indices as targets of the squared loss: `(N, K)` with 1 at the class, 0 elsewhere.

    Errors: `ValueError` for an index outside 0 … num_classes−1.
    """
    if np.any((y < 0) | (y >= num_classes)):
        raise ValueError(f"class indices must lie in 0 ... {num_classes - 1}, got {np.unique(y).tolist()}")
    return np.eye(num_classes)[y]


def _rows(data: Dataset, indices: np.ndarray) -> Dataset:
    return Dataset(data.x[indices], data.y[indices])
