"""`python -m ntklora`: the command line, for whoever knows the interpreter but not where programs are installed."""

import sys

from ntklora.cli.main import main

sys.exit(main())
