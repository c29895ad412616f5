"""Trains the two demo image models from pictures that it draws itself. `python -m demo_models --help`; README.md says more."""
import os

# Shards of a batch are the parallel work here (training.py): a BLAS with threads of its own would only be in their way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
