"""Benchmarks with known truth: synthetic worlds, clusterers, aligners, leaderboards.

A cell is one combination of components on one world with one seed; results are stored cell
by cell, so that a benchmark continues where it stopped. Only benchmarks read a world's truth.
"""
