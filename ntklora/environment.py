"""Settings of the process, made before NumPy and JAX are imported: by applications, never by importing a library."""

from __future__ import annotations

import os

# XLA's CPU backend (jaxlib 0.10.2; not seen on 0.12) runs independent operations at once, and two batched LAPACK calls
# at once (two QRs, Choleskys or solves under one vmap) wait for each other for ever: measured on two cores, within 200
# calls in every run. In program order none hung, and nothing here is slower for it.
_XLA_IN_ORDER = "--xla_cpu_enable_concurrency_optimized_scheduler=false"


def prepare_environment() -> None:
    """One OpenBLAS thread, and XLA's CPU operations in program order; what the user has set stays."""
    # Small batched factorizations fall from 155 to 3 a second on several OpenBLAS threads under load, and the number
    # is read once, when NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    flags = os.environ.get("XLA_FLAGS", "")
    if _XLA_IN_ORDER.partition("=")[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_IN_ORDER}".strip()
