"""What a point is worth, computed from the problem and the point alone, in NumPy float64 on the host.

* How far above the optimum: `duality`, `perturbed` (the same for F_P), `separation` (is there a minimizer at all),
  with `span` (the outputs that the features reach, and the count d).
* How the objective curves, modulo gauge: `hessian` (its structure), `inertia` (a count that decides), `stationary`
  (what a point that is nearly stationary can show), `conditioning` (how strict a minimum is),
  `tail` (how fast descent ends there), `restricted` (how convex and how smooth the loss is, for KKR).
* What a LoRA endpoint is: `endpoints`, by an `endpoint_reference` and by L3's direction (`rank_lifting`); `twins`.
* The low-rank optimum of T1, constructed: `rank_reduction`.

Nothing here knows a solver, and no solver is trusted here.
"""
