"""Small networks as frozen (init, apply) pairs over plain pytrees, one example at a time.

`model.init(key)` draws a dict of arrays, `model.apply(params, x)` maps one example to `(K,)`: hand `model.apply` to
everything that takes `f(params, x)`. Weights are (fan_out, fan_in), convolution kernels (C_out, C_in, kh, kw). All
three networks reshape `x` themselves, so the same `x (64,)` of the digits goes through each.
"""

from ntklora.models.cnn import CNN as CNN
from ntklora.models.layers import Parametrization as Parametrization
from ntklora.models.mlp import MLP as MLP
from ntklora.models.transformer import Transformer as Transformer
