"""A user's file is read as it stands, or refused with file, row and column."""

import numpy as np
import pytest

from ntklora.data.files import load_table


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_npz_round_trip(tmp_path):
    x, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])
    np.savez(tmp_path / "d.npz", x=x, y=y, other=y + 1)
    table = load_table(tmp_path / "d.npz")
    np.testing.assert_array_equal(table.data.x, x)
    np.testing.assert_array_equal(table.data.y, y)
    np.testing.assert_array_equal(load_table(tmp_path / "d.npz", label="other").data.y, y + 1)


def test_csv_with_header_and_named_words_as_label(tmp_path):
    path = write(tmp_path, "d.csv", "p,kind,q\n1,dog,2\n3.5,cat,-4e1\n5,dog,6\n")
    table = load_table(path, label="kind")
    np.testing.assert_array_equal(table.data.x, [[1, 2], [3.5, -40], [5, 6]])
    assert table.data.y.tolist() == [1, 0, 1]
    assert table.class_names == ("cat", "dog")


def test_tsv_without_header_takes_the_last_column(tmp_path):
    table = load_table(write(tmp_path, "d.tsv", "1\t2\t-1\n3\t4\t1\n\n"))
    np.testing.assert_array_equal(table.data.x, [[1, 2], [3, 4]])
    assert table.data.y.dtype == np.int64
    assert table.data.y.tolist() == [-1, 1]


def test_words_as_labels_without_header(tmp_path):
    table = load_table(write(tmp_path, "d.csv", "1,2,yes\n3,4,no\n"))
    assert table.class_names == ("no", "yes")
    assert table.data.y.tolist() == [1, 0]


def test_numbers_that_are_not_whole_stay_numbers(tmp_path):
    assert load_table(write(tmp_path, "d.csv", "1,0.5\n2,1\n")).data.y.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("name", "text", "label", "message"),
    [
        ("d.csv", "", None, "no rows"),
        ("d.csv", "a,b\n", None, "0 rows of 2 columns"),
        ("d.csv", "1\n2\n", None, "2 rows of 1 columns"),
        ("d.csv", "a,b\n1,2\n3\n", None, "line 3: 1 cells, the first line has 2"),
        ("d.csv", "a,b\n1,2\nx,4\n", None, "line 3, a: 'x' is not a finite number"),
        ("d.csv", "a,b\n1,2\nnan,4\n", None, "line 3, a: 'nan' is not a finite number"),
        ("d.csv", "a,b\n1,2\n3,\n", None, "line 3: the label is empty"),
        ("d.csv", "a,b\n1,2\n", "c", "no column 'c'; the header has a, b"),
        ("d.xlsx", "a", None, "unknown kind of file '.xlsx'"),
        ("d.npz", "not a zip", None, "not a readable NPZ file"),
    ],
)
def test_unreadable_tables_are_refused(tmp_path, name, text, label, message):
    with pytest.raises(ValueError, match=message):
        load_table(write(tmp_path, name, text), label=label)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3))}, "no array 'y'; the file has x"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(3)}, r"expected x \(N, ...\) and y \(N,\)"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0)}, "N >= 1"),
        ({"x": np.full((2, 3), np.nan), "y": np.zeros(2)}, "array 'x' .* must hold finite numbers"),
        ({"x": np.zeros((2, 3)), "y": np.array(["a", "b"])}, "array 'y' .* must hold finite numbers"),
        ({"x": np.array([{}, {}]), "y": np.zeros(2)}, "cannot be read"),
    ],
)
def test_unfit_archives_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_table(tmp_path / "d.npz")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.csv: no such file"):
        load_table(tmp_path / "absent.csv")
