"""A runner to be killed, as a program: `python -m tests.sweeps.storming FOLDER LOG CELLS [--scheduler F] [--slow]`.

With `--slow` a shard reaches the disk in pieces, with pauses, and each writing is announced on standard output: so that
a kill meets it.
"""

import argparse
import time
from pathlib import Path

from ntklora.sweeps.cluster import DaskCluster
from ntklora.sweeps.executors import Processes
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.trials import experiment

PAUSE = 0.01  # seconds of a cell
PIECES = 5
SLOWLY = 0.02  # seconds between two pieces of a shard


def storm_sweep(log, cells):
    """Half of the cells of each of two shapes."""
    grid = {"what": ["a", "b"], "seed": range(cells // 2), "log": str(log), "pause": PAUSE}
    return Sweep(experiment, [grid])


def write_slowly(path, content):
    """In place of `Path.write_bytes`: a shard in pieces."""
    pieces, pause = (PIECES, SLOWLY) if path.suffix == ".parquet" else (1, 0.0)
    if pause:
        print("writing", flush=True)
    size = len(content) // pieces + 1
    with path.open("wb") as file:
        for start in range(0, len(content), size):
            file.write(content[start : start + size])
            file.flush()
            time.sleep(pause)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("cells", type=int)
    parser.add_argument("--scheduler", type=Path)
    parser.add_argument("--slow", action="store_true")
    options = parser.parse_args()
    if options.slow:
        Path.write_bytes = write_slowly
    executor = DaskCluster(scheduler_file=options.scheduler) if options.scheduler else Processes(2)
    sweep = storm_sweep(options.log, options.cells)
    run_sweeps([Request(sweep, "tests.sweeps.trials:one_by_one", Store(options.folder))], executor)


if __name__ == "__main__":
    main()
