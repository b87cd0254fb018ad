"""The names of files in a face folder; they are valid on every file system."""

from __future__ import annotations

import re

import xxhash

from kce.data.finished_tables import FACES, JOURNAL, PROBLEMS, SETTINGS

LOCK, LEFT_OUT = ".lock", "left_out.csv"

INSIDE = re.compile(r"(?!\.{1,2}/)[^/\\:\0]+/(?!\.)[^/\\:\0]+\.png")
"""What the path of a face below its folder looks like."""

_RESERVED = {FACES, PROBLEMS, SETTINGS, JOURNAL, LOCK, LEFT_OUT}
_HASHED = re.compile("~[0-9a-f]{8}$")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # reserved by Windows
_MAX_LENGTH = 100  # bytes


def face_path(category: str, key: str) -> str:
    """The path of a face below its folder: "<category>/<end of the key>~<hash of the key>.png".

    Different keys have different paths, even where case or accents do not count. Scripts, spaces and brackets are
    kept. A category whose name had to be changed gets a hash, too.
    """
    folder = _valid_name(category)
    if folder != category or folder.casefold() in _RESERVED or _HASHED.search(folder):
        folder = f"{folder}~{content_hash(category.encode())[:8]}"
    return f"{folder}/{_valid_name(key.rpartition('/')[2])}~{content_hash(key.encode())}.png"


def content_hash(data: bytes) -> str:
    """The xxh64 hash of bytes, 16 hexadecimal digits."""
    return xxhash.xxh64_hexdigest(data)


def _valid_name(name: str) -> str:
    kept = "".join("_" if c in '<>:"/\\|?*#%' or not c.isprintable() else c for c in name)
    kept = kept.encode("utf-8", "replace")[:_MAX_LENGTH].decode("utf-8", "ignore")
    kept = re.sub(r"^[. ~-]|[. ]$", "_", kept) or "_"
    return f"_{kept}" if _DEVICES.fullmatch(kept) else kept
