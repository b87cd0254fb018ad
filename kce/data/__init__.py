"""What datasets look like on disk: adapters, media, splits, and the scan.

A dataset's adapter is a subclass of ``adapter.Tree``. New file formats are decoded in
``pictures`` and ``videos``; ``scan`` reports what a dataset contains; ``splits`` and
``leaks`` are about who is in which split. Nothing here crops or stores faces.
"""
