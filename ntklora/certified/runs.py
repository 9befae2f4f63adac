"""Newton's method from many starts in programs of few shapes, so that little is ever compiled.

Columns are padded with zeros to a multiple of eight, starts go through a queue of fixed length: one compilation for a
problem's shapes serves every rank up to eight (the next one up to sixteen), every number of starts, every weight decay,
the optimum and the endpoints alike. Small problems are given room beyond: samples up to a multiple of sixteen, rows and
columns of the weights up to one of eight, so that neighbouring sizes, and data that excite a direction more or less,
share a program. Where features make a step long nothing is added, and with dense ones columns come in twos: there
fewer of them soon save what another compilation takes. Weights of one form lie side by side: many of them make a
program hardly longer. On a processor every core runs a share of the starts; where a start ends does not depend on
which. An accelerator takes them side by side, as many as its memory allows, but few for an optimum, which is a program
of its own there; and with them the starts of other problems that are being computed (`meeting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from ntklora.certified.meeting import ABREAST, Meeting, meeting_of_thread
from ntklora.certified.precision import float64_device
from ntklora.environment import num_threads
from ntklora.problem.problem import Problem
from ntklora.problem.room import with_room
from ntklora.solvers.lanes import Ends, lane_bytes, minimize_all, minimize_each
from ntklora.solvers.newton import DEFAULT
from ntklora.solvers.stacked import stack_alike, stacked, unstacked
from ntklora.tangent.blocks import Block, Dense, Factored
from ntklora.tangent.memory import memory_allowance

Array = Any
Matrices = dict[str, Any]

_COLUMNS, _FEW_COLUMNS = 8, 2
# Entries of dense features from which on a step's price is that of its columns: at 2^18 a step of eight takes 2 ms,
# one of two 0.7 ms, and a compilation 1.5 s.
_LONG = 2**18
# A step of 4 samples takes 60 µs on 32×32 features and 18 on 4×4, one of 16 samples 91 and (8×8) 28: what a compilation
# of 1.3 s takes is won back by not so much as 40,000 steps.
_SAMPLES, _SIDES = 16, 8
# Entries of a weight up to which its reduced forms share one program, of its own size: 8×72 with 4 samples takes 36 µs
# a step, reduced to 8×32 about 25.
_SMALL = 2**10
# Rows of a step's linear system from which on it is that system which takes the time.
_LARGE = 256
# Features are multiplied whole up to this many times the entries of their factors.
_WHOLE = 2
# Starts of one call; an accelerator takes as many side by side, or a few where there are no more (an optimum has one).
_QUEUE, _WIDE_QUEUE = 64, 256
_FEW_LANES = 8
# Entries of features from which on a problem goes to an accelerator alone: with 64 starts of eight columns a product
# then is 4 GFLOP, which leaves nothing idle, and sixteen problems would be half a GiB of the host's memory.
_FILLING = 2**22

Arguments = tuple[Any, ...]  # of a call: `(problem, lams, u, v, count)`, as the functions of `lanes` take them


def run_newton(
    problem: Problem, lams: Array, u: Matrices, v: Matrices, *, full: Mapping[str, tuple[int, int]] | None = None
) -> Ends:
    """From the starts `u (S, m, r)`, `v (S, n, r)` by weight, start `i` at the weight decay `lams[i]`; on the host.

    `full`: the shapes of the weights before they were reduced, if they were.
    """
    starts, count = len(lams), problem.num_samples
    problem = _roomy(_whole_where_small(problem), full or problem.shapes)
    unit = count / problem.num_samples  # of the objective
    columns, shapes = _columns(problem), problem.shapes
    calls, queue, compute = _way(problem, _up_to(max(x.shape[2] for x in u.values()), columns), starts)
    problem, groups = stack_alike(problem)

    def arguments(call: int) -> Arguments:
        # Every so manyth start: the scale of the starts grows along the queue, and with it the number of steps.
        rows = slice(call, None, calls)
        some_lams = unit * np.asarray(lams, np.float64)[rows]
        padding = queue - len(some_lams)
        some_u, some_v = (
            stacked({k: _padded(x[rows], padding, shapes[k][side], columns) for k, x in factor.items()}, groups)
            for side, factor in enumerate((u, v))
        )
        return problem, np.pad(some_lams, (0, padding)), some_u, some_v, np.asarray(len(some_lams))

    def gathered(*pieces: np.ndarray) -> np.ndarray:
        whole = np.empty((starts, *pieces[0].shape[1:]), pieces[0].dtype)
        for call, piece in enumerate(pieces):
            whole[call::calls] = piece[: len(whole[call::calls])]
        return whole

    ends = jax.tree.map(gathered, *compute(arguments, calls))
    ends = ends._replace(u=unstacked(ends.u, groups), v=unstacked(ends.v, groups))
    cut_u, cut_v = (
        {k: x[:, : given[k].shape[1], : given[k].shape[2]] for k, x in factor.items()}
        for factor, given in ((ends.u, u), (ends.v, v))
    )
    return ends._replace(u=cut_u, v=cut_v, objective=ends.objective / unit, gradient_norm=ends.gradient_norm / unit)


class _Way(NamedTuple):
    """How starts are run: in so many calls, a queue of so many starts in each, and what makes the ends of all calls."""

    calls: int
    queue: int
    compute: Callable[[Callable[[int], Arguments], int], list[Ends]]


def _way(problem: Problem, rank: int, starts: int) -> _Way:
    """On a processor's threads, side by side on an accelerator, or there with whomever this thread's calls meet."""
    device, few = float64_device(), starts <= _FEW_LANES
    if device.platform == "cpu":
        threads = min(num_threads(), starts)
        calls = max(threads, -(-starts // _QUEUE))
        run = partial(_run, minimize_each, device)
        # Batched LAPACK calls may wait for each other for ever (see `environment`): `minimize_each` makes none.
        return _Way(calls, _QUEUE, partial(_one_by_one, run) if threads == 1 else partial(_on_threads, run, threads))
    each, meeting = lane_bytes(problem, rank), meeting_of_thread()
    allowance = memory_allowance(device) if meeting is None else meeting.allowance
    entries = sum(leaf.size for leaf in jax.tree.leaves(problem.op))
    room = allowance - ABREAST * entries * np.dtype(np.float64).itemsize
    if meeting is not None and entries < _FILLING and ABREAST * _FEW_LANES * each <= room:
        lanes = _FEW_LANES if few else _lanes(_QUEUE, ABREAST * each, room)
        return _Way(-(-starts // _QUEUE), _QUEUE, partial(_at_meeting, meeting, lanes))
    lanes = _lanes(_FEW_LANES if few else _WIDE_QUEUE, each, allowance)
    run = partial(_run, partial(minimize_all, lanes=lanes), device)
    if meeting is not None:
        run = partial(_run_undisturbed, meeting, run)
    return _Way(-(-starts // _WIDE_QUEUE), _WIDE_QUEUE, partial(_one_by_one, run))


def _run(minimize: Callable[..., Ends], device: jax.Device, given: Arguments) -> Ends:
    # The flag may have been switched on for the calling thread alone.
    with jax.enable_x64(True), jax.default_device(device):
        return jax.device_get(minimize(*given, DEFAULT))


def _run_undisturbed(meeting: Meeting, run: Callable[[Arguments], Ends], given: Arguments) -> Ends:
    return meeting.alone(lambda: run(given))


def _one_by_one(run: Callable[[Arguments], Ends], arguments: Callable[[int], Arguments], calls: int) -> list[Ends]:
    return [run(arguments(call)) for call in range(calls)]


def _on_threads(
    run: Callable[[Arguments], Ends], threads: int, arguments: Callable[[int], Arguments], calls: int
) -> list[Ends]:
    """On as many threads as there are cores."""
    # What threads do in Python they do one after the other: their first calls are prepared before they start.
    ready = {call: arguments(call) for call in range(threads)}

    def of_call(call: int) -> Ends:
        return run(ready.pop(call) if call in ready else arguments(call))

    try:
        return list(_threads(num_threads()).map(of_call, range(calls)))
    except BaseException:
        # An interrupted call computes to its end, which nobody waits for: the next one gets threads of its own.
        _threads.cache_clear()
        raise


def _at_meeting(meeting: Meeting, lanes: int, arguments: Callable[[int], Arguments], calls: int) -> list[Ends]:
    return meeting.ends([arguments(call) for call in range(calls)], lanes)


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Threads that stay: starting two takes as long as ten steps of a small problem."""
    return ThreadPoolExecutor(count, thread_name_prefix="newton")


def _lanes(most: int, each: int, allowance: int) -> int:
    """Starts side by side on an accelerator, a power of two: as many as its memory takes."""
    while most > 1 and most * each > allowance:
        most //= 2
    return most


def _whole_where_small(problem: Problem) -> Problem:
    """Features of several positions whole where they are hardly larger than their factors.

    A step needs `G v` and `Gᵀ u`; from the factors these are as many products of `T` columns as there are samples, and
    take a transformer's step 1.4 times as long.
    """

    def whole(block: Block) -> Block:
        if not isinstance(block, Factored) or block.num_positions == 1:
            return block
        (m, n), k, t = block.shape, block.num_outputs, block.num_positions
        return Dense(block.dense()) if k * m * n <= _WHOLE * t * (n + k * m) else block

    blocks = {name: whole(block) for name, block in problem.op.blocks.items()}
    return eqx.tree_at(lambda p: p.op.blocks, problem, blocks)


def _roomy(problem: Problem, full: Mapping[str, tuple[int, int]]) -> Problem:
    """The problem with room for neighbouring sizes where its steps are short: `F' = (N/N') F`.

    A small weight gets its `full` shape back, which does not depend on how many samples it was reduced to.
    """
    samples = _up_to(problem.num_samples, _SAMPLES)
    if problem.loss.idle_samples(1, problem.num_outputs) is None or samples * problem.num_outputs > _LARGE:
        samples = problem.num_samples
    wanted = {name: full[name] if prod(full[name]) <= _SMALL else shape for name, shape in problem.shapes.items()}
    shapes = {name: (_up_to(m, _SIDES), _up_to(n, _SIDES)) for name, (m, n) in wanted.items()}
    entries = sum(leaf.size for leaf in jax.tree.leaves(problem.op))
    return problem if entries >= _LONG else with_room(problem, samples, shapes)


def _up_to(count: int, step: int) -> int:
    return -(-count // step) * step


def _columns(problem: Problem) -> int:
    """The number whose multiples the columns are padded to."""
    entries = sum(block.g.size for block in problem.op.blocks.values() if isinstance(block, Dense))
    return _COLUMNS if entries < _LONG else _FEW_COLUMNS


def _padded(factor: np.ndarray, padding: int, rows: int, columns: int) -> np.ndarray:
    return np.pad(factor, ((0, padding), (0, rows - factor.shape[1]), (0, -factor.shape[2] % columns)))
