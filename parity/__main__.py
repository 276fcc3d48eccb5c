"""`python -m parity` is the command `parity`."""

import sys

from parity.cli import main

sys.exit(main())
