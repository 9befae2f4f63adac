"""Methods that minimize; none of them knows LoRA's theory, and none judges itself.

* `newton`: stationary points of `F_P(u, v)`, with the curvature of the outputs (`kernel`) and of the penalty
  (`shifted`) kept apart; `lanes` runs many starts; `scale` holds a problem's units.
"""
