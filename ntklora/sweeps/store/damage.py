"""Files among the shards that are none, or none of this sweep: what is wrong with each."""

from __future__ import annotations

from ntklora.sweeps.store.index import Index
from ntklora.sweeps.store.shard import ARROW_TYPES, Damage, column_text
from ntklora.sweeps.store.spec_file import StoredSpec


def find_damage(index: Index, spec: StoredSpec) -> list[Damage]:
    """What cannot be read, is of another experiment or other columns, or contradicts an earlier shard."""
    columns = {column_text(column.name, ARROW_TYPES[column.kind]) for column in spec.columns}
    found = list(index.damaged)
    for each in index.known.values():
        held = each.columns.splitlines()
        if each.experiment != spec.experiment:
            found.append(Damage(each.name, f"is of experiment {each.experiment}"))
        elif each.version == spec.version and not columns <= set(held):
            found.append(Damage(each.name, f"has other columns of version {each.version}: {', '.join(held)}"))
        elif earlier := index.contradictions.get(each.name):
            found.append(Damage(each.name, f"holds other numbers for a cell than {earlier}"))
    return found


def other_versions(index: Index, spec: StoredSpec) -> dict[str, int]:
    """The shards of other versions of the experiment, and their versions."""
    return {
        each.name: each.version
        for each in index.known.values()
        if each.experiment == spec.experiment and each.version != spec.version
    }
