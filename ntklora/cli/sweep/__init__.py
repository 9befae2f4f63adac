"""`ntklora sweep`: a specification described, planned, run, counted, exported, recomputed, compared, sent to a cluster.

`commands` defines each command's options; the file of its name runs it. Commands that only read import no JAX.
"""
