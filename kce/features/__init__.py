"""Features of faces: extraction, and the HDF5 tables they are stored in.

No other package opens a feature file. ``extract`` runs a backbone over faces, ``store`` writes tables, ``table`` reads
them; ``hdf5`` and ``shards`` are what these two are built on.
"""
