"""What a point is worth, computed from the problem and the point alone, in NumPy float64 on the host.

* How far above the optimum: `duality`, `perturbed` (the same for F_P), `separation` (is there a minimizer at all),
  with `span` (the outputs that the features reach, and the count d).
* How the objective curves, modulo gauge: `hessian` (its structure), `inertia` (a count that decides), `stationary`
  (what a point that is nearly stationary can show), `conditioning` (how strict a minimum is).
* What a LoRA endpoint is: `endpoints`.
* The low-rank optimum of T1, constructed: `rank_reduction`.

Nothing here knows a solver, and no solver is trusted here.
"""
