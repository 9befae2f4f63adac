"""Low-rank adaptation: how its factors start, how they are trained, what is done with the result.

* `initializations`: values with one signature `(problem, rank, key) -> (u, v)`; `hrp` is one of them.
* `training`: the papers' full-batch dynamics on F(u, v), either factor or both.
* `learning_rate`: the default step size, from the smoothness of the objective.
* `lora`: `train_lora`.
"""
