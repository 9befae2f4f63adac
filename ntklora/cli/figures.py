"""`ntklora figures`: one figure or all, from rows that are computed first where the store lacks them."""

from __future__ import annotations

from collections.abc import Sequence

from ntklora.cli.answer import OK, PARTIAL, Answer, Mistake
from ntklora.cli.commands import Figures
from ntklora.cli.results import compute, counts, open_results
from ntklora.plotting.files import Plotted, write_figures
from ntklora.sweeps.catalogue import all_experiments, all_figures, named
from ntklora.sweeps.figure import Figure


def run(options: Figures) -> Answer:
    """Compute what the named figures' experiments lack, draw, and name the files; with `--list`, name the figures."""
    known, experiments = all_figures(), all_experiments()
    try:
        chosen = [named(known, name, "figure") for name in options.names or known]
    except ValueError as error:
        raise Mistake(str(error)) from error
    if options.list:
        listed = [{"name": each.name, "title": each.title, "experiments": list(each.experiments)} for each in chosen]
        return Answer(OK, {"figures": listed}, lambda: _show_titles(chosen))
    needed = dict.fromkeys(name for figure in chosen for name in figure.experiments)
    results = open_results(options.out, options.profile)
    tallies = compute([experiments[name] for name in needed], options.profile, results, jobs=options.jobs)
    plotted = write_figures(chosen, experiments, results, options.profile, results / "figures")
    document = {
        "profile": options.profile,
        "experiments": counts(tallies),
        "figures": [
            {
                "name": each.figure.name,
                "finding": each.finding,
                "files": {suffix: str(path) for suffix, path in each.paths.items()},
            }
            for each in plotted
        ],
    }
    status = OK if all(tally.whole for tally in tallies.values()) else PARTIAL
    return Answer(status, document, lambda: _show(plotted))


def _show_titles(figures: Sequence[Figure]) -> None:
    width = max(len(each.name) for each in figures)
    for each in figures:
        print(f"{each.name:{width}}  {each.title}")


def _show(plotted: Sequence[Plotted]) -> None:
    for each in plotted:
        print(f"{each.figure.name}: {each.finding}")
        print(f"    {each.paths['pdf'].with_suffix('')}.{{{','.join(each.paths)}}}")
