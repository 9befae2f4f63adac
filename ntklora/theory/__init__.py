"""Thresholds, bounds and closed forms: numbers in, numbers out; nothing here runs an algorithm.

* `ranks`: which rank the existence theorem (T1) reaches and which rank the landscape theorems (T2, T2-prime, T2-strict,
  T2-zero) ask for, in exact integer arithmetic; and the count of parameters that typical instances are compared with.
* `worst_case`: how much excess a strict spurious minimum can have for its curvature (T2-worst).
* `generalization`: the excess risk of the minimizer on the population (T3).
* `kkr`: beyond linearization, how loud a second-order point must be that is not global (KKR).
* `dual_activations`: Gaussian expectations of ReLU and erf, the step of one layer of infinite width.
* `hrp`: what the second paper's dynamics converge to on matrix factorization (H1 to H8, H10).
* `statements`: the label of every statement, put behind its id wherever one is shown.
* `width`: how fast training becomes linear as the width grows.

Every function's docstring carries the label of its statement: [paper], [derived] or [reconstructed].
"""

from ntklora.theory.generalization import BEST_KAPPA as BEST_KAPPA
from ntklora.theory.generalization import deviation_constant as deviation_constant
from ntklora.theory.generalization import excess_risk_bound as excess_risk_bound
from ntklora.theory.kkr import loud_ratio as loud_ratio
from ntklora.theory.kkr import norm_bound as norm_bound
from ntklora.theory.ranks import counting_rank as counting_rank
from ntklora.theory.ranks import landscape_rank as landscape_rank
from ntklora.theory.ranks import parameter_count as parameter_count
from ntklora.theory.ranks import pataki_rank as pataki_rank
from ntklora.theory.ranks import planting_threshold as planting_threshold
from ntklora.theory.ranks import sharp_landscape_rank as sharp_landscape_rank
from ntklora.theory.ranks import undecayed_landscape_rank as undecayed_landscape_rank
from ntklora.theory.width import WidthOrders as WidthOrders
from ntklora.theory.width import width_orders as width_orders
from ntklora.theory.worst_case import balanced_curvature as balanced_curvature
from ntklora.theory.worst_case import worst_case_applies as worst_case_applies
from ntklora.theory.worst_case import worst_excess as worst_excess
