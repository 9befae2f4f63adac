"""Methods that minimize; none of them knows LoRA's theory, and none judges itself.

* `newton`: stationary points of `F_P(u, v)`. Each step solves a `system` in which the curvature of the outputs
  (`kernel`) and that of the penalty (`shifted`) are kept apart, and follows a `curve`; `point`: values and gradients,
  `scale` a problem's units, `lanes` many starts at once.
* `unregularized`: the loss alone, at `λ = 0`.
"""
