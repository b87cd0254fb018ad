"""How much a media file may take of the machine. The sizes that are decoded are limited where they are decoded."""

from __future__ import annotations

TIME_LIMIT = 600.0
"""Seconds that a file may take, beside those for each frame that is wanted."""

TIME_PER_FRAME = 30.0
"""Seconds more for each frame in which faces are detected: some detectors are slow."""

MEMORY_LIMIT = 2**31
"""Bytes that a file may take."""

MEMORY_OF_WORKER = 2**30
"""Bytes that a worker with a large picture needs: 3 x `pictures.MAX_DECODED_BYTES`, and what it needs itself."""

MAX_FAILURES = 100
"""Files that fail for no fault of their own, before the work ends: then the disk or the machine is gone."""
