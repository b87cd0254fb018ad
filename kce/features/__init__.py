"""Features of faces: extracting them, and the HDF5 tables they are stored in.

Tables, shards and the store are the only code that opens a feature file.
"""
