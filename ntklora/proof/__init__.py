"""Proof grade: spurious minima shown by interval arithmetic, not by numerics. Needs the extra `proof` (python-flint).

* `intervals`: balls of Arb, the data taken as the exact rationals that their float64 numbers are.
* `objective`: the LoRA objective, its gradient and its Hessian over a box of factors.
* `krawczyk`: a box that contains exactly one zero of a smooth system. `factorization`: the sign of a symmetric matrix.
* `spurious`: the two put together, with a better point of the same rank. `cases`: what `ntklora verify --proof` runs.

Only what is certified here may be called proved.
"""

try:
    import flint as flint
except ImportError as error:
    raise ImportError("interval proofs need python-flint: pip install 'ntklora[proof]'") from error
