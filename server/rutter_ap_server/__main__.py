"""`python -m rutter_ap_server` is `rutter-ap`: the form a client's configuration can name without a PATH."""

import sys

from rutter_ap_server.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
