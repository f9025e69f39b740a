"""`python -m app.embedded`: what `make run` calls."""

import sys

from app.embedded.supervisor import main

sys.exit(main())
