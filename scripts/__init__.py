"""The commands, one module each."""

import os

# Figures go to files. A notebook leaves its own backend to what it starts, and .venv need not have that.
os.environ["MPLBACKEND"] = "agg"
