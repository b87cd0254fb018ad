"""How well labels come apart: scores, their intervals, agreement with a known truth, paired tests.

Statistics of one table or of runs side by side. Nothing in here trains or clusters.
"""
