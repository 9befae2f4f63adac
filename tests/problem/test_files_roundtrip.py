"""Property: a saved problem comes back as it was, and a file that is no problem is refused in a line that names it."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.problem.files import load_problem
from ntklora.tangent.blocks import Dense, Factored, Transposed, TwoSided
from ntklora.tangent.operator import BARE

RNG = np.random.default_rng(0)
N, K, M, W, T = 4, 3, 5, 6, 2
DENSE = RNG.normal(size=(N, K, M, W))
LEFT, RIGHT = RNG.normal(size=(N, K, T, M)), RNG.normal(size=(N, T, W))
F0 = RNG.normal(size=(N, K))
CLASSES = np.array([0, 2, 1, 1])


def arrays(**changes):
    """The arrays of a good file, some replaced; None leaves one out."""
    good = {"G": DENSE, "f0": F0, "y": CLASSES, "loss": "cross_entropy", "lam": 0.1}
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def psd(size):
    root = RNG.normal(size=(size, size))
    return root @ root.T


FACTORED = Factored(RIGHT, LEFT)
FLIPPED = Transposed(Factored(RNG.normal(size=(N, T, M)), RNG.normal(size=(N, K, T, W))))
OPERATORS = {
    "dense": nl.TangentOperator({BARE: Dense(DENSE)}, bare=True),
    "factored": nl.TangentOperator({BARE: FACTORED}, bare=True),
    "transposed": nl.TangentOperator({BARE: FLIPPED}, bare=True),
    "several": nl.TangentOperator({"body/0": Dense(DENSE), "tied": TwoSided(FACTORED, FLIPPED), "head": FACTORED}),
}


@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize("perturbed", [False, True])
def test_a_problem_comes_back_as_it_was(op, perturbed, tmp_path):
    perturbation = op.like({name: psd(m + n) for name, (m, n) in op.shapes.items()}) if perturbed else None
    problem = nl.Problem(op, F0, CLASSES, "cross_entropy", 0.25, perturbation)
    problem.save(tmp_path / "problem.npz")
    again = nl.load_problem(tmp_path / "problem.npz")
    assert (again.op.layout, again.op.bare, again.shapes) == (op.layout, op.bare, op.shapes)
    delta = op.like({name: RNG.normal(size=shape) for name, shape in op.shapes.items()})
    np.testing.assert_array_equal(again.op.apply(delta), op.apply(delta))
    np.testing.assert_array_equal(again.f0, problem.f0)
    np.testing.assert_array_equal(again.y, problem.y)
    assert (again.loss.name, float(again.lam)) == ("cross_entropy", 0.25)
    assert (again.perturbation is None) == (not perturbed)
    for name, matrix in (problem.perturbation or {}).items():
        np.testing.assert_array_equal(again.perturbation[name], matrix)


def test_numpys_own_file_is_read_and_lam_can_be_passed(tmp_path):
    np.savez_compressed(
        tmp_path / "p.npz", **arrays(lam=None, G=None, **{"G/first": DENSE, "a/last": RIGHT, "b/last": LEFT})
    )
    problem = load_problem(tmp_path / "p.npz", lam=0.5)
    assert float(problem.lam) == 0.5
    assert problem.op.layout == {"first": "dense", "last": "factored"}


BAD = {
    "no features": (arrays(G=None), "lacks tangent features"),
    "half the factors": (arrays(G=None, a=RIGHT), "lacks the array 'b'"),
    "both forms": (arrays(a=RIGHT, b=LEFT), "keep one form"),
    "one and several": (arrays(**{"G/x": DENSE}), "keep one form"),
    "no f0": (arrays(f0=None), "lacks the array 'f0'"),
    "no y": (arrays(y=None), "lacks the array 'y'"),
    "no loss": (arrays(loss=None), "lacks 'loss'"),
    "no lam": (arrays(lam=None), "lacks 'lam'"),
    "unknown loss": (arrays(loss="hinge"), "unknown loss 'hinge'"),
    "number as loss": (arrays(loss=3.0), "unknown loss '3.0'"),
    "negative lam": (arrays(lam=-1.0), "lam must be"),
    "NaN lam": (arrays(lam=np.nan), "lam must be"),
    "two lams": (arrays(lam=[0.1, 0.2]), "expected one value"),
    "axes missing": (arrays(G=DENSE[0]), r"expected \(N, K, m, n\)"),
    "wrong f0": (arrays(f0=F0[:2]), "f0 has shape"),
    "wrong y": (arrays(y=CLASSES[:2]), "y has shape"),
    "labels beyond K": (arrays(y=CLASSES + 1), "class indices are the integers 0 to 2"),
    "labels in halves": (arrays(y=CLASSES + 0.5), "class indices"),
    "labels 0 and 1": (arrays(G=DENSE[:, :1], f0=F0[:, :1], y=CLASSES > 0, loss="logistic"), r"pass 2\*y - 1"),
    "NaN features": (arrays(G=np.where(DENSE > 2, np.nan, DENSE)), "NaN or infinite"),
    "infinite f0": (arrays(f0=F0 + np.inf), "NaN or infinite"),
    "NaN labels": (arrays(y=np.full(N, np.nan)), "not finite"),
    "no samples": (arrays(G=DENSE[:0], f0=F0[:0], y=CLASSES[:0]), "are empty"),
    "no columns": (arrays(G=DENSE[..., :0]), "are empty"),
    "overflowing": (arrays(G=1e150 * DENSE), "overflow"),
    "words": (arrays(G=DENSE.astype(str)), "expected real numbers"),
    "complex": (arrays(f0=F0 * 1j), "expected real numbers"),
    "pickled": (arrays(y=np.array([0, "two", None, 1], object)), "not objects"),
    "disagreeing weights": (arrays(G=None, **{"G/x": DENSE, "G/y": DENSE[:2]}), r"disagree on \(N, K\)"),
    "disagreeing factors": (arrays(G=None, a=RIGHT[:2], b=LEFT), "same N and T"),
    "disagreeing sides": (arrays(G=None, a=RIGHT, b=LEFT, at=RIGHT, bt=LEFT), "different shapes"),
    "indefinite perturbation": (arrays(P=-np.eye(M + W)), "positive semidefinite"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_line_that_names_it(case, tmp_path):
    content, message = BAD[case]
    path = tmp_path / "bad.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message) as caught:
        load_problem(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bytes_", [b"", b"not a zip", None])
def test_a_file_that_cannot_be_read_is_refused(bytes_, tmp_path):
    path = tmp_path / "bad.npz"
    if bytes_ is None:  # cut in the middle, and then damaged inside
        np.savez(path, **arrays())
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=r"bad\.npz"):
            load_problem(path)
        path.write_bytes(whole[:300] + b"\0" * 64 + whole[364:])
    else:
        path.write_bytes(bytes_)
    with pytest.raises(ValueError, match=r"bad\.npz"):
        load_problem(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(ValueError, match="no such file"):
            load_problem(path)
