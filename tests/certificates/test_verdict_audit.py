"""Property: no endpoint verdict on points of known truth is wrong, and hardly one missing where curvature is clear."""

from collections import Counter
from itertools import chain

import pytest

from ntklora.certificates.endpoints import Endpoint, classify_endpoint
from tests.certificates import truths
from tests.certificates.descent import lifted_optimum

TOLERANCE = 1e-8
# Curvature, relative to the largest, from which on a verdict is asked for.
CLEAR = 1e-7


def verdict_on(truth):
    """The class found; where only the value of a convex optimum can decide, with the one that SciPy finds."""
    rivals = None if truth.rival is None else [truth.rival]
    report = classify_endpoint(truth.problem, truth.u, truth.v, rivals=rivals, tolerance=TOLERANCE)
    if report.endpoint is Endpoint.inconclusive and truth.problem.perturbation is None and truth.rival is None:
        optimum = lifted_optimum(truth.problem, truth.u, truth.v)
        report = classify_endpoint(truth.problem, truth.u, truth.v, solution=optimum, tolerance=TOLERANCE)
        # A minimizer of low rank exhibits a better point.
        if report.endpoint is Endpoint.spurious and truth.kind is Endpoint.rank_limited:
            assert report.best_known < report.objective * (1 - TOLERANCE)
            return truth.kind
    return report.endpoint


def known(family):
    return [truth for truth in family if truth is not None]


def audit(seeds):
    """Rows of the table by family and truth: verdicts, wrong ones, missing ones, and those with clear curvature."""
    large, small = (known(truths.planted(seeds, excesses)) for excesses in ((1e-1, 1e-2), (1e-3,)))
    others = [*known(truths.valleys(seeds)), *truths.optima(seeds), *known(truths.worst(seeds))]
    # Under a perturbation SciPy's optimum is no help, and what is left of a small excess is below the tolerance.
    turned = truths.perturbed([*large[::2], *others])
    rest = chain(truths.nearly_degenerate(seeds), truths.padded(seeds), truths.denoised(seeds), turned)
    table = {}
    for truth in [*large, *small, *others, *known(rest)]:
        row = table.setdefault((truth.family, str(truth.kind)), Counter())
        found, clear = verdict_on(truth), truth.curvature == 0.0 or abs(truth.curvature) > CLEAR
        missing = found in (Endpoint.inconclusive, Endpoint.unconverged)
        row["truths"] += 1
        row["wrong"] += not missing and found is not truth.kind
        row["missing"] += missing
        row["clear"] += clear
        row["missing although clear"] += clear and missing
    return table


def assert_sound(table):
    total = sum(table.values(), Counter())
    assert total["wrong"] == 0
    assert total["missing although clear"] <= 0.01 * total["clear"]
    assert {kind for _, kind in table} == {"global", "spurious", "rank_limited", "flat", "saddle"}
    return total


def test_verdicts_on_hundreds_of_truths():
    total = assert_sound(audit(range(1)))
    assert total["truths"] >= 300


@pytest.mark.slow
def test_verdicts_on_thousands_of_truths():
    table = audit(range(7))
    columns = ("truths", "wrong", "missing", "clear", "missing although clear")
    print(f"\n{'family':36}{'truth':14}", *(f"{column:>8}" for column in columns))
    for (family, kind), row in [*table.items(), (("all", ""), sum(table.values(), Counter()))]:
        print(f"{family:36}{kind:14}", *(f"{row[column]:{max(8, len(column))}}" for column in columns))
    total = assert_sound(table)
    assert total["truths"] >= 2000
