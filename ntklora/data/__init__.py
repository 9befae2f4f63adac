"""Data: real images, teacher and student, Gaussian features, planted instances, a user's own files.

Everything is drawn on the host by a NumPy `Generator` with a stated seed: the same seed gives the same numbers on every
machine and whatever JAX's precision. A data set is `Dataset(x, y)`; tasks, subsets and splits are functions of it.
"""
