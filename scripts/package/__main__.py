"""`python -m jemscript`: as the program; Jupyter starts the kernel so, with its own Python."""

import os
import sys

# Python puts the current folder first: a folder or file `torch` in it is not the one that is meant.
if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from jemscript import main

if __name__ == "__main__":
    main()
