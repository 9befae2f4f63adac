"""Property: a file is whole or absent, whatever happens while it is written."""

import pytest

from ntklora.atomic import replacing


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "row.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as sibling:
        print("ne", "\udc80", file=sibling.open("w"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_writer_replaces_the_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "deep" / "row.npz"
    for text in ("old", "new"):
        with replacing(path) as sibling:
            assert sibling.suffix == ".npz"
            sibling.write_text(text)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]
