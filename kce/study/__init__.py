"""Many runs that are compared: the study file, the grid of runs, scheduling, cost, checks before work, comparison.

Jobs that engines carry to other processes are defined in here.
"""
