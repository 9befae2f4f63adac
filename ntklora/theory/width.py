"""How fast an MLP becomes its linearization as the width n grows: exponents, [derived] by counting orders.

One hidden weight of an MLP is adapted (NTK scaling, N, K and time fixed). The unit k, with readout weight w_k/√n and
preactivation h_k, is moved by `Δh_k = n^{-1/2} w_k g_k`, g_k = O(1) a function of its preactivations on the data: δ
lies in the span of the features, whose rows carry w_k. Then, with ‖δ‖_F = O(1) and ‖W‖_F = n,

    ‖δ‖/‖W‖     = O(n^{-1})
    ΔΘ          = (1/n) Σ_k w_k² Δ(φ'φ')_k,     f − f_lin at one δ  = n^{-1/2} Σ_k w_k (φ(h+Δh) − φ(h) − φ'(h)Δh)_k
    ‖Δb‖²/‖b‖²  ~ (1/n) Σ_k w_k² (Δφ')_k²       (b the backpropagated signals: it is also how far the two δ part)

- φ smooth: `Δφ' = φ''Δh + …`. What is odd in w_k has mean 0 and counts for its fluctuation, n^{-1/2} of its size: the
  first-order term of ΔΘ and the second-order term of f are odd, and all of both is O(n^{-1}); `‖Δb‖/‖b‖` is
  O(n^{-1/2}).
- φ = ReLU: φ' changes for the units with |h_k| < |Δh_k|, a share n^{-1/2}, by 1: `‖Δb‖/‖b‖` is O(n^{-1/4}). Units
  switched on and off cancel but for each sample's own push, felt by a unit only while it is on: the mean is
  O(n^{-1/2}), the fluctuation O(n^{-3/4}); at moderate widths what is measured lies between the two.
- Mean-field scaling (readout w_k/n): to change the outputs by O(1), ‖δ‖ = O(√n) and Δh_k = O(1). Nothing but
  ‖δ‖/‖W‖ = O(n^{-1/2}) falls: the network learns features at every width.

For smooth φ the published bound is weaker, O(n^{-1/2}) for kernel and outputs [Lee et al. 2019]; n^{-1} was found by
perturbation theory for networks trained whole [Dyer and Gur-Ari 2020].
"""

from __future__ import annotations

from typing import NamedTuple


class Order(NamedTuple):
    """`O(n^p)` with p between `low`, if the fluctuation dominates, and `high`, if the mean does; often the same."""

    low: float
    high: float


class WidthOrders(NamedTuple):
    """Of ‖δ‖/‖W‖, of the kernel's relative drift, and of the distances of the outputs and of the two δ."""

    weight_change: Order
    kernel_drift: Order
    output_distance: Order
    delta_distance: Order


def width_orders(*, smooth: bool, mean_field: bool = False) -> WidthOrders:
    """The orders in the width of one adapted hidden weight; `smooth`: φ is, instead of having ReLU's kink [derived].

    >>> width_orders(smooth=True).kernel_drift, width_orders(smooth=False).kernel_drift
    (Order(low=-1.0, high=-1.0), Order(low=-0.75, high=-0.5))
    >>> width_orders(smooth=False).delta_distance.high, width_orders(smooth=True, mean_field=True).kernel_drift.high
    (-0.25, 0.0)
    """
    if mean_field:
        return WidthOrders(_exactly(-0.5), _exactly(0.0), _exactly(0.0), _exactly(0.0))
    if smooth:
        return WidthOrders(_exactly(-1.0), _exactly(-1.0), _exactly(-1.0), _exactly(-0.5))
    return WidthOrders(_exactly(-1.0), Order(-0.75, -0.5), Order(-0.75, -0.5), _exactly(-0.25))


def _exactly(exponent: float) -> Order:
    return Order(exponent, exponent)
