"""Sweeps: a grid of cells, a pure function of one cell, and a store of rows that survives interruption.

Knows nothing of LoRA. `experiment` describes, `store` keeps, `runner` computes what is missing, `catalogue` lists what
the folders `experiments/` and `paper_figures/` hold. Describing imports neither JAX nor pyarrow.
"""

from ntklora.sweeps.computation import Vmapped as Vmapped
from ntklora.sweeps.experiment import Cell as Cell
from ntklora.sweeps.experiment import CellStatus as CellStatus
from ntklora.sweeps.experiment import Column as Column
from ntklora.sweeps.experiment import Experiment as Experiment
from ntklora.sweeps.experiment import Grid as Grid
from ntklora.sweeps.experiment import Row as Row
from ntklora.sweeps.figure import Figure as Figure
from ntklora.sweeps.limits import Limits as Limits
from ntklora.sweeps.profile import Profile as Profile
from ntklora.sweeps.randomness import stream_generator as stream_generator
from ntklora.sweeps.randomness import stream_key as stream_key
