"""Merge plans: made by name, at random or from clusters, their files, and how many classes there are.

What an aligner is given besides the features is gathered here too.
"""
