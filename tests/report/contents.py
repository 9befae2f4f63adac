"""A small report's contents, with strings that would break a page built by pasting."""

from dataclasses import replace

from ntklora.claims import Claim, Control, Label, Outcome
from ntklora.claims.run import ClaimResult, ControlResult
from ntklora.plotting.coverage import read_rows
from ntklora.plotting.files import write_figures
from ntklora.report.page import Contents
from ntklora.report.sources import Source
from ntklora.report.verdicts import Verdicts
from ntklora.sweeps import Profile
from ntklora.sweeps.runner import run_experiment
from ntklora.sweeps.store import Store
from tests.plotting.heights import figure
from tests.sweeps.ladder import ladder

NASTY = "<script>alert('x')</script> & \"quotes\" ]]> </style> ‖Γ‖ ≤ λ \x1b[31m\x00"


def claim(name):
    """A claim nobody runs."""
    control = Control("a layer left out", Outcome.refuted, lambda profile: None)
    return Claim(name, f"Statement of {name}: {NASTY}", "JLR, T1", Label.paper, 1, lambda profile: None, (control,))


def result(name, outcome, control=Outcome.refuted, reason=None):
    """A stored result of it."""
    controls = (ControlResult("a layer left out", Outcome.refuted, control, NASTY),)
    return ClaimResult(claim(name), outcome, 4.0, {"rank": 3, "share_global": 0.999}, 0.25, controls, 1.5, reason)


def contents(folder, results, not_run=(), rungs=(2, 3)):
    """Claims as given; one experiment of which the cells with seven rungs fail; one figure of it."""
    experiment = replace(ladder(folder / "log", rungs), question=NASTY)
    run_experiment(experiment, experiment.cells(Profile.smoke), Store(folder / "ladder"))
    hostile = replace(figure, title=NASTY, caption=NASTY)
    plotted = write_figures([hostile], {"ladder": experiment}, folder, Profile.smoke, folder / "figures")
    rows, coverage = read_rows(experiment, folder, Profile.smoke)
    source = Source(experiment, coverage, rows, Store(folder / "ladder").runs())
    return Contents(Profile.smoke, Verdicts(results, list(not_run)), plotted, [source])
