"""The application of these tests chooses float64, strict promotion of dtypes, and one thread per small factorization."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax

jax.config.update("jax_enable_x64", True)
