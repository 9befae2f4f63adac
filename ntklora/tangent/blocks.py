"""Tangent features of one weight matrix, in the form that the network gives them.

For a weight `W` of shape `(m, n)` the tangent feature of output `j` at sample `i` is `G_ij = ∂f_j(x_i)/∂W`. A block
keeps them all, as one array (`Dense`) or as the factors that backpropagation multiplies (`Factored`, `Transposed`,
`TwoSided`), and every block answers the same questions.
"""

from __future__ import annotations

from ntklora.tangent.factored import Dense as Dense
from ntklora.tangent.factored import Factored as Factored
from ntklora.tangent.transposed import Transposed as Transposed
from ntklora.tangent.transposed import TwoSided as TwoSided

Block = Dense | Factored | Transposed | TwoSided
