"""Property: whatever stands in a specification or behind --set gives cells or one line, never a traceback."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntklora.sweeps.spec import MOST_CELLS, read_specification
from tests.sweeps.test_spec_mistakes import EXPERIMENT

NAMES = ("rungs", "wood", "height", "folds", "seed", "start", "stop", "step", "seconds", "memory", "sedd", "")
KEYS = st.sampled_from((*NAMES, "experiment", "precision", "limits", "fixed", "grid")) | st.text(max_size=4)
SCALARS = (
    st.integers()
    | st.integers(-3, 20)
    | st.floats()
    | st.booleans()
    | st.sampled_from(("oak", "ash", "float32", "ladder.py", "landscape", "os:path", "nowhere:x", "../x.py"))
    | st.text(max_size=6)
)
RANGES = st.dictionaries(st.sampled_from(("start", "stop", "step", "stp")), st.integers() | st.integers(-2, 9))
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | RANGES | st.lists(st.lists(SCALARS, max_size=2), max_size=2)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.dictionaries(KEYS, VALUES | TABLES | st.lists(TABLES, max_size=3), max_size=5)
SENSIBLE = st.fixed_dictionaries(
    {"experiment": st.just("ladder.py")},
    optional={"fixed": TABLES, "grid": TABLES | st.lists(TABLES, max_size=3), "limits": TABLES, "precision": SCALARS},
)
OVERRIDES = st.builds(lambda name, value: f"{name}={value}", KEYS, VALUES.map(lambda value: toml(value))) | st.text()


def toml(value):
    """A value written as TOML; an independent writer, so that what is read was not written by the reader's author."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return str(value)  # nan and inf as TOML writes them
    return json.dumps(value).replace("\x7f", "\\u007f")


def document(content):
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in content.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "ladder.py").write_text(EXPERIMENT)
    return folder


def cells_or_one_line(folder, content, overrides):
    path = folder / "sweep.toml"
    path.write_bytes(content)
    sweep, message = None, f"{path}: cells"
    try:
        sweep = read_specification(path, overrides).sweep
    except ValueError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 700
    if sweep is not None:
        assert 1 <= len(sweep.cells) <= MOST_CELLS
        assert len(set(sweep.keys)) == len(sweep.cells)


@settings(max_examples=150, deadline=None)
@given(content=DOCUMENTS, overrides=st.lists(OVERRIDES, max_size=2))
def test_any_tables(folder, content, overrides):
    cells_or_one_line(folder, document(content).encode(), overrides)


@settings(max_examples=300, deadline=None)
@given(content=SENSIBLE, overrides=st.lists(OVERRIDES, max_size=2))
def test_tables_that_are_nearly_right(folder, content, overrides):
    cells_or_one_line(folder, document(content).encode(), overrides)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="replace")))
def test_any_bytes(folder, content):
    cells_or_one_line(folder, content, ())
