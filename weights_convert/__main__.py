"""`python -m weights_convert` is the command `weights-convert`."""

import sys

from weights_convert.cli import main

sys.exit(main())
