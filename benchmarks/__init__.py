"""Benchmarks of kevo; each folder is one of them, and its docstring names the command that runs it again."""

import os

# TensorFlow's messages would hide those of a benchmark. Set before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
