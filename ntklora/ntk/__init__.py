"""The neural tangent kernel, layer by layer: of any network, and of the MLP of infinite width.

`empirical` is the kernel of any network; `reading` finds each parameter's operands; `shares` is what a parameter
contributes through Gram matrices, `written` what several contribute through their gradients, whichever takes fewer
operations; `blocks` fills the kernel in bounded memory.
`infinite_width` is the limit, in closed form.
"""
