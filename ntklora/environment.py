"""Settings of the process, made before NumPy and JAX are imported: by applications, never by importing a library."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

# XLA's CPU backend (jaxlib 0.10.2; not seen on 0.12) runs independent operations at once, and two batched LAPACK calls
# at once (two QRs, Choleskys or solves under one vmap) wait for each other for ever: measured on two cores, within 200
# calls in every run. In program order none hung (but Newton's method for several perturbed problems of several unlike
# weights at once, which is for accelerators, did); some kernels take an eighth longer.
_XLA_IN_ORDER = "--xla_cpu_enable_concurrency_optimized_scheduler=false"


def prepare_environment() -> None:
    """One OpenBLAS thread, XLA's CPU operations in program order, exact factors, compiled programs kept.

    What the user has set stays: `JAX_DEFAULT_MATMUL_PRECISION=default` has accelerators round float32 factors again,
    `JAX_ENABLE_COMPILATION_CACHE=0` switches the last off, `JAX_COMPILATION_CACHE_DIR` puts it elsewhere.
    """
    # Small batched factorizations fall from 155 to 3 a second on several OpenBLAS threads under load, and the number
    # is read once, when NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    flags = os.environ.get("XLA_FLAGS", "")
    if _XLA_IN_ORDER.partition("=")[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_IN_ORDER}".strip()
    # JAX's default on accelerators rounds the factors of a float32 product to TF32 or bfloat16: three digits.
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
    _keep_compiled_programs()


def num_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def num_threads() -> int:
    """Threads that this process computes on: one per core, or `NPROC` of them, which XLA reads too."""
    return _given_threads() or num_cores()


def num_processes() -> int:
    """How many processes compute side by side, unless a person says otherwise: one per core, one with an accelerator.

    A process takes all of an accelerator's memory. Where `NPROC` is set each process has so many threads, and there are
    as many fewer of them.
    """
    return 1 if is_accelerated() else max(1, num_cores() // (_given_threads() or 1))


def worker_threads() -> dict[str, str]:
    """The environment variable by which one of several processes computes on one thread, unless `NPROC` is set.

    With a thread for every core in each, XLA hands small operations to and fro: sweeps of small problems take 4 to 9%
    longer. And the last bits of large products would depend on how many cores there are. With an accelerator there is
    one process, and it has them all.
    """
    return {} if _given_threads() or is_accelerated() else {"NPROC": "1"}


def _given_threads() -> int | None:
    given = os.environ.get("NPROC", "")
    return int(given) if given.isdecimal() and int(given) > 0 else None


def is_accelerated() -> bool:
    """Told without importing JAX: by `JAX_PLATFORMS` where it is set, else by whether a plugin is installed."""
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms:
        return platforms != "cpu"
    return bool(entry_points(group="jax_plugins")) or find_spec("libtpu") is not None


def programs_folder() -> Path:
    """Where compiled programs are kept unless `JAX_COMPILATION_CACHE_DIR` says otherwise: in the user's own cache.

    One folder for each kind of processor: a home directory may be shared between machines, and code made for one of
    them need not run on another.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # a relative path is to be ignored
    return home / "ntklora" / f"programs-{processor_digest()}"


def _keep_compiled_programs() -> None:
    # Measured: programs of this size take a second or two to compile and some ten milliseconds to read back.
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    with suppress(OSError, RuntimeError):  # no home, or one that cannot be written: compile as ever
        folder = programs_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
            # JAX would keep only what took a second: a network is started by dozens of small programs.
            os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def processor_digest() -> str:
    """Names a kind of processor (architecture, model and instruction sets, as far as the system tells), not a host."""
    return sha256(_processor().encode()).hexdigest()[:12]


def _processor() -> str:
    lines = {platform.machine(), platform.processor()}
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        lines |= {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))}
    return "\n".join(sorted(lines))
