"""The convex problem of linearized fine-tuning: loss + penalty + tangent operator.

`losses` (with conjugates), `problem` (the data of one instance), `objective` (values and first derivatives),
`reduction` (the same problem in the span that the data excites). A problem knows no solver and no LoRA recipe.
"""
