"""The face folder: cropping faces from samples, the journal that lets a cut resume, and reading faces again.

Whatever reads or writes a face's pixels enters here: crop, re-encoding,
degradation, the loader that training and extraction share.
"""
