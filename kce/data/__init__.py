"""What datasets look like on disk: decoding pictures and videos, walking trees, reading labels, splits.

Adapters build on `adapter.Tree`; `scan` counts what an adapter finds. Files of a
new media format are decoded here. Nothing in here crops or stores a face.
"""
