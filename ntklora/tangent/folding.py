"""A parameter as a matrix: which of a leaf's axes are its rows, and which its columns.

A 2-D leaf is its own matrix, transposed nowhere. A convolution kernel is `(C_out, C_in·kh·kw)`, whatever the order of
its axes in the leaf. A vector is one column.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple


class Fold(NamedTuple):
    """The bijection between a leaf of this `shape` and the matrix with these axes as rows and those as columns.

        unfold: leaf -> (Π rows, Π columns),    fold: its inverse

    >>> kernel = Fold((3, 3, 2, 5), rows=(3,), columns=(2, 0, 1))  # flax's (kh, kw, C_in, C_out)
    >>> kernel.matrix_shape
    (5, 18)
    """

    shape: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """`(m, n)`."""
        return prod(self.shape[i] for i in self.rows), prod(self.shape[i] for i in self.columns)

    def unfold(self, leaf: Any) -> Any:
        """The matrix of a leaf; leading axes beyond those of the leaf stay in front."""
        lead = leaf.ndim - len(self.shape)
        order = (*range(lead), *(lead + axis for axis in (*self.rows, *self.columns)))
        return leaf.transpose(order).reshape(*leaf.shape[:lead], *self.matrix_shape)

    def fold(self, matrix: Any) -> Any:
        """The leaf of a matrix `(m, n)`."""
        axes = (*self.rows, *self.columns)
        inverse = tuple(axes.index(i) for i in range(len(axes)))
        return matrix.reshape(tuple(self.shape[i] for i in axes)).transpose(inverse)


def matrix_fold(shape: tuple[int, ...]) -> Fold | None:
    """The fold that the shape alone decides: a matrix, a vector as one column, a scalar; `None` for more axes."""
    if len(shape) > 2:
        return None
    return Fold(shape, tuple(range(min(1, len(shape)))), tuple(range(1, len(shape))))


def kernel_fold(shape: tuple[int, ...], c_out: int, c_in: int) -> Fold:
    """The fold `(C_out, C_in·window)` of a convolution kernel with these axes for its channels."""
    window = tuple(i for i in range(len(shape)) if i not in (c_out, c_in))
    return Fold(shape, (c_out,), (c_in, *window))
