"""Merge plans: made by name, at random or from clusters; their files; and the number of classes.

``aligner_inputs`` collects what an aligner gets besides features: reals of the datasets, and further views of faces.
"""
