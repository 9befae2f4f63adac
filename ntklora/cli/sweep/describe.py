"""`ntklora sweep describe`: which experiments there are, and the parameters of one."""

from __future__ import annotations

from typing import Any

from ntklora.cli.answer import OK, Answer, Mistake
from ntklora.cli.sweep.commands import Describe
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.template import parameters_of, template


def run(options: Describe) -> Answer:
    """The catalogue, or a specification to start from."""
    if options.experiment is None:
        questions = {name: experiment.question for name, experiment in all_experiments().items()}
        return Answer(OK, {"experiments": questions}, lambda: _list(questions))
    try:
        experiment = find_experiment(options.experiment)
    except ValueError as error:
        raise Mistake(str(error)) from error
    text = template(experiment, options.experiment)
    document: dict[str, Any] = {
        "experiment": experiment.name,
        "version": experiment.version,
        "question": experiment.question,
        "parameters": [each._asdict() for each in parameters_of(experiment)],
        "columns": [{"name": each.name, "meaning": each.meaning} for each in experiment.columns],
        "specification": text,
    }
    return Answer(OK, document, lambda: print(text, end=""))


def _list(questions: dict[str, str]) -> None:
    width = max(map(len, questions))
    for name, question in questions.items():
        print(f"{name:{width}}  {question}")
    print("`ntklora sweep describe NAME > sweep.toml` writes a specification to start from")
