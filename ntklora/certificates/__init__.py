"""What a point is worth, computed from the problem and the point alone, in NumPy float64 on the host.

`duality` (how far above the optimum), `perturbed` (the same for F_P), `separation` (is there a minimizer at all),
`inertia` (how the objective curves, modulo gauge), `endpoints` (what a LoRA endpoint is), `rank_reduction` (the
low-rank optimum of T1, constructed). Nothing here knows a solver, and no solver is trusted here.
"""
