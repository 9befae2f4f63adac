"""Problem instances that claims and experiments share: linearized networks on digits, Gaussian features, planted ones.

Each is a function of a seed and a few scalars, and gives the exactly reduced problem: same optimum, same landscape.
"""
