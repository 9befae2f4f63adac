"""`ntklora certify`: a user's own problem, its certified optimum, its rank, and the landscape of a rank."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np

import ntklora as nl
from ntklora.certificates.duality import Status
from ntklora.certificates.endpoints import Endpoint
from ntklora.certified.optimum import Solution
from ntklora.cli.answer import NOT_SHOWN, OK, Answer, Mistake
from ntklora.cli.commands import Certify
from ntklora.problem.files import load_problem, npz_path, write_npz
from ntklora.problem.objective import nuclear_norm
from ntklora.problem.problem import Problem


def run(options: Certify) -> Answer:
    """Solve, certify, reduce; look at the landscape where a rank is given; write arrays where `--out` is given.

    The landscape's counts never change the exit status: 0 when the optimum is certified, else 1.
    """
    start = perf_counter()
    problem = _load(options)
    solution = nl.solve(problem)
    u, v = nl.reduce_rank(problem, solution.delta)
    reduced = {name: factor.shape[1] for name, factor in problem.op.as_dict(u).items()}
    document: dict[str, Any] = {
        "primal": solution.primal,
        "dual": solution.dual,
        "gap": solution.gap,
        "status": solution.status,
        "message": solution.message,
        "rank": solution.rank,
        "nuclear_norm": float(nuclear_norm(problem.host(), solution.delta)),
        "reduced_rank": max(reduced.values()),
        "pataki_rank": nl.pataki_rank(problem.num_samples * problem.num_outputs),
        "lam": float(problem.lam),
        "lam_max": float(nl.lam_max(problem)),
        "precision": solution.precision,
    }
    if not problem.op.bare:
        document |= {"ranks": solution.ranks, "reduced_ranks": reduced}
    if options.rank is not None:
        document["landscape"] = _landscape(problem, solution, options.rank, options.starts, options.seed)
    if options.out is not None:
        arrays = {"delta": solution.delta, "u": u, "v": v}
        written = write_npz(options.out, {**_named(problem, arrays), "alpha": np.asarray(solution.alpha)})
        document["out"] = str(written)
    document["seconds"] = perf_counter() - start
    return Answer(OK if solution.status == Status.certified else NOT_SHOWN, document, lambda: _show(document, options))


def _load(options: Certify) -> Problem:
    if options.rank is not None and options.rank < 1:
        raise Mistake(f"--rank is {options.rank}: a LoRA rank is at least 1")
    if options.starts < 1:
        raise Mistake(f"--starts is {options.starts}: at least 1")
    if options.out is not None:
        _require_writable(options.out, options.file)
    try:
        problem = load_problem(options.file, options.lam)
    except ValueError as error:
        raise Mistake(str(error)) from error
    if problem.perturbation is not None:
        raise Mistake(f"{options.file}: holds a perturbation P; certify is about the unperturbed problem: leave P out")
    return problem


def _require_writable(path: Path, problem: Path) -> None:
    """Before the work, not after it."""
    written = npz_path(path)
    if written.exists() and problem.exists() and written.samefile(problem):
        raise Mistake(f"--out {path}: is the problem itself; name another file")
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Mistake(f"--out {path}: cannot be written; name a file in an existing folder of yours")


def _landscape(problem: Problem, solution: Solution, rank: int, starts: int, seed: int) -> dict[str, Any]:
    """How many of the starts end in each class of endpoint, and the range of their objective."""
    landscape = nl.survey_landscape(problem, rank, jax.random.key(seed), starts=starts, solution=solution)
    return {
        "lora_rank": rank,
        "starts": starts,
        **{kind.value: count for kind, count in landscape.counts.items()},
        "best_objective": float(landscape.objective.min()),
        "worst_objective": float(landscape.objective.max()),
    }


def _named(problem: Problem, values: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name: `delta`, or `delta/<weight>` where the problem has several weights."""
    arrays = {}
    for key, value in values.items():
        for name, array in problem.op.as_dict(value).items():
            arrays[key if problem.op.bare else f"{key}/{name}"] = np.asarray(array)
    return arrays


def _show(document: dict[str, Any], options: Certify) -> None:
    print(f"{options.file}: {document['status']} ({document['message']})")
    print(f"optimum {document['primal']:.10g}, dual bound {document['dual']:.10g}, relative gap {document['gap']:.1e}")
    print(f"lam {document['lam']:.6g}, lam_max {document['lam_max']:.6g}, nuclear norm {document['nuclear_norm']:.6g}")
    print(f"rank {document['rank']}, reduced to {document['reduced_rank']}; {document['pataki_rank']} always suffices")
    if "landscape" in document:
        landscape = document["landscape"]
        classes = ", ".join(f"{landscape[each.value]} {each.value}" for each in Endpoint if landscape[each.value])
        print(f"LoRA of rank {landscape['lora_rank']}, {landscape['starts']} starts: {classes}")
        print(f"objective from {landscape['best_objective']:.10g} to {landscape['worst_objective']:.10g}")
    if "out" in document:
        print(f"minimizer, factors and dual point: {document['out']}")
