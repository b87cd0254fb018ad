"""How well labels come apart: scores and their intervals, agreement with a known truth, paired tests.

``scoring`` scores a table and makes its intervals, ``intervals`` holds the formulas of all intervals, ``formatting``
their text. Nothing here trains or clusters.
"""
