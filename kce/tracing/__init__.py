"""From an unseen face to a family of forgeries, to `real`, or to "unknown", with calibrated p values.

What enters are scores of how unlike each family a face is, from any tracer; what leaves says which families cannot be
excluded. Nothing here trains a network or reads pictures.
"""
