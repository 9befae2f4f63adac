"""Property: of a sweep of a minute the engine itself takes less than 5%: planning, processes, rows, shards, manifest.

Measured as processor time of the runner and its workers while the cells sleep, which another load does not change.
"""

from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

import pytest

from ntklora.sweeps.executors import Processes
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.trials import experiment

JOBS = 2
SECONDS = 60.0


def processor_time():
    used = [getrusage(whose) for whose in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.mark.storm
@pytest.mark.parametrize("pause", [0.5, 0.05])
def test_the_engine_takes_little_of_a_minute(tmp_path, pause):
    cells = int(SECONDS * JOBS / pause)
    sweep = Sweep(experiment, [{"what": ["a", "b", "c", "d"], "seed": range(cells // 4), "pause": pause}])
    request = Request(sweep, "tests.sweeps.trials:one_by_one", Store(tmp_path / "trials"))
    start, used = perf_counter(), processor_time()
    assert run_sweeps([request], Processes(JOBS))["trials"].computed == cells
    wall, used = perf_counter() - start, processor_time() - used
    inside = sum(row["seconds"] for row in request.store.rows(sweep)) / JOBS
    each = f"{cells} cells of {pause} s: engine {used / JOBS:.2f} s a process"
    print(f"{each}; wall clock {wall:.1f} s, cells {inside:.1f} s")
    assert used < 0.05 * SECONDS * JOBS
