"""Claims: each theorem as an executable with controls. One file per claim; `registry` lists the folder.

A module of this folder defines `claim = Claim(...)` or `claims = (Claim(...), ...)`.
"""

from ntklora.claims.claim import INAPPLICABLE as INAPPLICABLE
from ntklora.claims.claim import Claim as Claim
from ntklora.claims.claim import Control as Control
from ntklora.claims.claim import Evidence as Evidence
from ntklora.claims.claim import Label as Label
from ntklora.claims.claim import Outcome as Outcome
from ntklora.claims.claim import Profile as Profile
