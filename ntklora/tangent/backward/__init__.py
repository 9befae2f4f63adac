"""Reading the backward pass: tangent features of any network, factored where backpropagation multiplies.

The backward pass of one example, `(params, x, ct) -> ∂<ct, f(params, x)>/∂params`, is traced to a jaxpr and interpreted
once more, equation by equation. It is linear in `ct`, and wherever an operand that depends on `ct` (the backpropagated
signal) meets one that does not (a layer's input), the product is noted down beside the array: `value` holds the two
operands, `layout`, `product`, `convolution` and `scatter` say how each primitive carries them along, `control` opens
nested functions, branches and loops, `reader` walks the equations. What reaches a parameter as a sum of such products
is returned as its operands; everything else as the array that it is, with the reason. Nothing is declared or wrapped,
and custom derivative rules stay right, because the rule's own backward pass is what is read. [derived, theory §1.1]
"""
