"""Names of files and folders: how they are compared."""

from __future__ import annotations

import unicodedata

Parts = tuple[str, ...]
"""A path below a root: its folders and the file name."""


def fold_name(name: str) -> str:
    """A name for comparisons: upper and lower case and Unicode form do not count."""
    return name.lower() if name.isascii() else nfc(nfc(name).casefold())


def nfc(name: str) -> str:
    """A name in Unicode's composed form; some file systems store decomposed names."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_utf8(name: str) -> bool:
    """Whether a name that the system gave is valid UTF-8."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
