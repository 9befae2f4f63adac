"""A Dask cluster of real processes on this host, for tests that kill them."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parents[2]
_DASK = [sys.executable, "-m", "dask"]


class Cluster:
    """A scheduler, found through its file, and its workers, each with one thread."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self._log = (folder / "dask.log").open("w")
        self._processes = []
        self.start("scheduler", "--no-dashboard", "--port", "0", "--scheduler-file", self.file)
        while not self.file.exists():
            assert self._processes[0].poll() is None, "the scheduler has ended"
            time.sleep(0.05)

    def worker(self, *options):
        """One more worker; its process."""
        common = ("--scheduler-file", self.file, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0")
        return self.start("worker", *common, *options)

    def start(self, *arguments):
        process = subprocess.Popen([*_DASK, *map(str, arguments)], cwd=ROOT, stdout=self._log, stderr=self._log)
        self._processes.append(process)
        return process

    def wait_for(self, workers):
        """Until so many are there."""
        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def lose_scheduler(self):
        self._processes[0].kill()

    def stop(self):
        for process in reversed(self._processes):
            process.kill()
        for process in self._processes:
            process.wait()
        self._log.close()


@contextmanager
def dask_cluster(folder):
    """Within, a cluster without workers."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
