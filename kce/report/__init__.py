"""Figures, tables and the HTML page of a run, a demo, a study or an audit, from stored results alone.

A new figure goes into `figures` and `gallery`, a new table into `tables`; `plotly_charts`
and `matplotlib_charts` only draw. Nothing in here computes a score that is not stored.
"""
