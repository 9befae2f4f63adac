"""The empirical neural tangent kernel, layer by layer.

`empirical` is the kernel of any network; `shares` what one parameter contributes, from the operands of its gradient or
from the gradient itself, whichever takes fewer operations; `blocks` fills the kernel in bounded memory.
"""
