"""From a config to a trained run: the only place where config and library meet.

`prepare` reads and splits the table, `build` makes network, loss and optimizer, `train` runs them
and writes the run directory, `evaluate` measures a run again.
"""
