"""Figures, tables and the html page of a run or a study, from stored results alone.

A new figure enters `figures`, a new table `tables`; `plotly_charts` and
`matplotlib_charts` only draw. Nothing in here computes a score that is not stored.
"""
