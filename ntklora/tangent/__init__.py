"""Linearization around initialization, and the tangent features of a network's weights.

`linearize` is the first-order model, `tangent_features` its operator `A` with factored or dense features for each
weight, `reduction` shrinks the operator exactly to the span of what the data excites.
"""
