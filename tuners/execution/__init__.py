"""Runs the trials of a search: executors, and the foreman that drives a scheduler with any of them.

executor.py     the protocol of executors, and the events that they tell; plain data only
in_process.py   trials run in the calling process
local_pool.py   trials run in worker processes of this machine, which may crash
foreman.py      the loop between a scheduler and an executor

Nothing here imports Keras or TensorFlow, and nothing knows how a search chooses its trials.
"""
