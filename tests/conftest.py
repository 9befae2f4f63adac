"""The tests choose float64 and one thread for each small factorization, as the command line does."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax

jax.config.update("jax_enable_x64", True)
