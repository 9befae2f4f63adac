"""Property: a disk that is full or may not be written costs one clear line; nothing is half-written or lost."""

import os
import resource
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from ntklora.sweeps.export import export
from ntklora.sweeps.store import Store, Unwritable, lock
from tests.sweeps.shelf import experiment, fill, numbers, rows_of, sweep

ASKED = sweep()
MORE = sweep(width=(2, 3, 5), wood=("ash", "oak"), seed=range(40))


@contextmanager
def full_disk():
    """Within, no file grows beyond a few bytes: the operating system fails the write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder):
    """Everything there but the locks, with its content."""
    hidden = (".writing", ".lock")
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in hidden}


def attempts(store, out):
    """Everything that writes."""
    return {
        "shard": lambda: store.write(experiment, rows_of(ASKED, range(4, 8))),
        "run": lambda: store.append_run("shelf", {}),
        "specification": lambda: store.claim(MORE, "elsewhere", extend=True),
        **{
            suffix: lambda suffix=suffix: export(store, out.with_suffix(suffix))
            for suffix in (".parquet", ".csv", ".nc")
        },
    }


ATTEMPTS = tuple(attempts(None, Path()))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED, range(4))
    return store


def check_refusal(attempt):
    with pytest.raises(Unwritable, match="cannot be written") as refusal:
        attempt()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_full_disk_stops_a_write_and_leaves_everything_as_it_was(store, tmp_path, what):
    before = files(tmp_path)
    with full_disk():
        check_refusal(attempts(store, tmp_path / "out")[what])
    assert files(tmp_path) == before
    attempts(store, tmp_path / "out")[what]()
    assert numbers(Store(store.folder).rows(ASKED))[:4] == numbers(rows_of(ASKED, range(4)))


def test_a_full_disk_does_not_stop_reading(store):
    with full_disk():
        reader = Store(store.folder)
        assert reader.missing(ASKED) == list(range(4, 12))
        reader.look().save_news()
        assert len(reader.rows(ASKED)) == 4
    assert not (store.folder / ".index").exists()


@pytest.fixture
def small_disk():
    """A file system of 96 KiB."""
    folder = Path(tempfile.mkdtemp())
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)], capture_output=True)
    if mounting.returncode:
        folder.rmdir()
        pytest.skip("this user may not mount file systems; a limit on the size of files stands in for the full disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def remount(folder, option):
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def test_a_file_system_that_fills_up_keeps_whole_shards_and_goes_on_when_there_is_room(small_disk):
    store = Store(small_disk / "shelf")
    store.claim(MORE, "shelf")
    with pytest.raises(Unwritable, match=r"No space left on device.*finished shards are intact"):
        fill(store, MORE)
    missing = Store(store.folder).missing(MORE)
    assert missing == list(range(240 - len(missing), 240))
    assert 0 < len(missing) < 240
    assert Store(store.folder).damaged() == []
    assert not list(small_disk.rglob("*.partial*"))
    remount(small_disk, "size=8m")
    fill(store, MORE, missing)
    assert numbers(Store(store.folder).rows(MORE)) == numbers(rows_of(MORE))


@contextmanager
def read_only(folder):
    """Within, nothing in the folder can be changed: by its modes, or for root, who may write everywhere, as mounted."""
    if os.geteuid() == 0:
        remount(folder, "ro")
        try:
            yield
        finally:
            remount(folder, "rw")
        return
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    try:
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def changeable(request, tmp_path):
    """A folder that `read_only` can close."""
    return request.getfixturevalue("small_disk") if os.geteuid() == 0 else tmp_path


@pytest.mark.parametrize("what", [*ATTEMPTS, "lock"])
def test_a_read_only_folder_can_be_read_and_refuses_every_write_in_a_line(changeable, what):
    store = Store(changeable / "shelf")
    fill(store, ASKED, range(4))
    before = files(changeable)
    tried = {**attempts(store, changeable / "out"), "lock": lambda: lock(store.folder).__enter__()}
    with read_only(changeable):
        check_refusal(tried[what])
        reader = Store(store.folder)
        assert numbers(reader.rows(ASKED)) == numbers(rows_of(ASKED, range(4)))
        assert reader.to_pandas()["status"].tolist() == [0] * 4 + [-1] * 8
        reader.look().save_news()
    assert files(changeable) == before
