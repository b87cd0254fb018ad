"""Benchmarks whose truth is known: synthetic worlds, clusterers, aligners, leaderboards.

A cell is one component on one world with one seed; cells are stored one by one.
"""
