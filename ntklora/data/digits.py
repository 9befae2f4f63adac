"""Handwritten digits: 1,797 real images of 8 × 8 pixels, ten classes, shipped inside scikit-learn."""

from __future__ import annotations

import numpy as np

from ntklora.data.dataset import Dataset


def load_digits() -> Dataset:
    """`x (1797, 64)`, `y (1797,)` in 0 … 9, in the file's order.

    Standardized by two numbers, the mean and the standard deviation over all pixels of all images: pixel contrasts
    survive, pixels that are always blank stay equal, and ‖x‖² is 64 on average, as the models' scalings expect.
    Source: UCI Optical Recognition of Handwritten Digits, test part (E. Alpaydin, C. Kaynak).
    """
    # scikit-learn takes about two seconds to import: only those who ask for its data pay.
    from sklearn.datasets import load_digits as load

    raw = load()
    x = np.asarray(raw.data, np.float64)
    return Dataset((x - x.mean()) / x.std(), np.asarray(raw.target, np.int64))
