"""Property: the page says the worst first, and says the opposite when the rows do."""

import re

import pytest

from ntklora.claims import Outcome
from ntklora.report.page import page, verdict_in_short
from tests.report.contents import claim, contents, result

GOOD = (result("T1", Outcome.consistent), result("T2", Outcome.inapplicable))


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text))


def test_all_well_is_said_only_when_all_is_well(tmp_path):
    assert verdict_in_short(contents(tmp_path, GOOD)) == (
        "1 claims consistent, 1 inapplicable; every control came out as expected; nothing failed."
    )


@pytest.mark.parametrize(
    ("results", "not_run", "rungs", "said"),
    [
        ((*GOOD, result("H6", Outcome.refuted)), (), (2,), "refuted: H6"),
        ((*GOOD, result("H6", Outcome.error, reason="no")), (), (2,), "failed to run: H6"),
        ((*GOOD, result("H6", Outcome.inconclusive)), (), (2,), "inconclusive: H6"),
        ((*GOOD, result("H6", Outcome.consistent, control=Outcome.consistent)), (), (2,), "not as expected: H6"),
        (GOOD, (), (2, 7), "2 failed cells"),
        (GOOD, [claim("H6")], (2,), "not run: H6"),
    ],
)
def test_what_is_not_well_is_said_first(tmp_path, results, not_run, rungs, said):
    made = contents(tmp_path, results, not_run, rungs)
    assert verdict_in_short(made).startswith("Look here first")
    assert said in verdict_in_short(made)
    assert said in words(page(made))


def test_failures_are_listed_with_cell_and_reason(tmp_path):
    text = words(page(contents(tmp_path, GOOD, rungs=(2, 7))))
    assert text.count("RuntimeError: seven rungs") == 2
    assert "rungs = 7, seed = 1" in text
    assert "2 of 4, 2 failed" in text


def test_versions_seeds_revision_and_command_are_shown(tmp_path):
    made = contents(tmp_path, GOOD)
    text = words(page(made))
    assert made.sources[0].coverage.revisions[0] in text
    assert "0–1" in text
    assert re.search(r"jax \d+\.\d+", text)
    assert "ntklora figures heights --profile smoke" in text
    assert page(made) == page(made)
