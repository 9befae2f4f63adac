"""Each job of the simulator beside the best other way to do it, in one process and interleaved.

`record` is the row that every job gives, `measure` the clock and the memory gauge; one module for each job. Times are
reported, never asserted: what a fast path must do to be right is tested against the plain one.
"""

from ntklora.bench.record import Record as Record
