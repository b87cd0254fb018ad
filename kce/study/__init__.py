"""Many runs that are compared: the study file, the grid of runs, scheduling, cost, checks before work, comparison.

The functions that engines call in other processes are in `jobs`. What one run does is in
`kce.pipeline`; what a page shows of a study is in `kce.report`.
"""
