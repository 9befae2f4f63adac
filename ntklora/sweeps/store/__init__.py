"""The store: one folder holds one sweep, as immutable shards of rows that are found again by the key of their cell.

    DIR/spec.json            what was asked for: experiment, numerics, grids, columns       `spec_file`
    DIR/manifest.json        the runs that wrote here, each with its provenance             `manifest`
    DIR/shards/*.parquet     some rows each, whole or absent, never changed                 `shard`
    DIR/.index               which key lies where: a cache, safe to delete                  `index`
    DIR/set_aside/           what could not be read, or contradicts what was stored         `damage`

Measured with kill -9 while writing: one growing parquet file was never readable afterwards, a shard per chunk
(temporary file, fsync, rename) always. Reading never computes.
"""

from ntklora.sweeps.store.agreement import Disagreement as Disagreement
from ntklora.sweeps.store.folder import Store as Store
from ntklora.sweeps.store.folder import Written as Written
from ntklora.sweeps.store.lock import lock as lock
from ntklora.sweeps.store.shard import Damage as Damage
from ntklora.sweeps.store.spec_file import StoredSpec as StoredSpec
from ntklora.sweeps.store.writing import Refused as Refused
from ntklora.sweeps.store.writing import Unwritable as Unwritable
