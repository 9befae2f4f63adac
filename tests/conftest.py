"""The tests choose float64 and the settings of the process that the command line makes."""

from ntklora.environment import prepare_environment

prepare_environment()

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)
