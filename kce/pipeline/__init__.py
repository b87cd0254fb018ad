"""A run: its recipe, and the only code that knows the order of its stages.

What a single run chooses or does enters here; many runs are `kce.study`.
"""
