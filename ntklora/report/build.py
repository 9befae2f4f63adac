"""From the store to the page."""

from __future__ import annotations

from pathlib import Path

from ntklora.atomic import replacing
from ntklora.claims.experiment import claims_experiment, results_of
from ntklora.claims.registry import all_claims
from ntklora.plotting.coverage import read_rows
from ntklora.plotting.files import write_figures
from ntklora.plotting.style import Venue
from ntklora.report.page import Contents, page
from ntklora.report.sources import Source
from ntklora.report.verdicts import Verdicts
from ntklora.sweeps.catalogue import all_experiments, all_figures
from ntklora.sweeps.experiment import Experiment
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.store import Store


def build(results: Path, profile: Profile, venue: Venue = Venue.icml) -> Path:
    """Write `<results>/figures/` and `<results>/report.html` from the rows of a profile; the path of the page.

    Reads the store and computes nothing: what is missing or failed is shown as such. The page is replaced whole.
    Errors: `ValueError` for a shard or manifest that cannot be read, `OSError` where the folder cannot be written.
    """
    experiments = all_experiments()
    plotted = write_figures(list(all_figures().values()), experiments, results, profile, results / "figures", venue)
    claims = _source(claims_experiment(), results, profile)
    found = results_of(claims.rows)
    seen = {result.claim.id for result in found}
    verdicts = Verdicts(found, [claim for claim in all_claims() if claim.id not in seen])
    sources = [claims, *(_source(experiment, results, profile) for experiment in experiments.values())]
    path = results / "report.html"
    with replacing(path) as sibling:
        sibling.write_text(page(Contents(profile, verdicts, plotted, sources)), encoding="utf-8")
    return path


def _source(experiment: Experiment, results: Path, profile: Profile) -> Source:
    rows, coverage = read_rows(experiment, results, profile)
    return Source(experiment, coverage, rows, Store(results / experiment.name).runs())
