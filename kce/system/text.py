"""Text of others, made visible, and numbers with their nouns."""

from __future__ import annotations

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control characters, formats, surrogates, separators of lines
_JOINERS = "\u200c\u200d"  # scripts of many languages need them


def printable(name: str) -> str:
    """A name of a file that can be printed: bytes that are not UTF-8 are escaped."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def visible_text(text: str, keep: str = "") -> str:
    r"""Return the text with an escape for each character that is not shown, moves the cursor or turns the reading.

    Args:
        text: Any text; also of file names that are not UTF-8.
        keep: Characters that stay as they are, such as line breaks.

    Example:
        >>> visible_text("A\x1b[31m\nB", keep="\n")
        'A\\x1b[31m\nB'
    """
    if text.isprintable():  # nearly always
        return text
    keep += _JOINERS
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _HIDDEN and character not in keep
        else character
        for character in text
    )


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "face"), counted(2, "category", "categories")
    ('1 face', '2 categories')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
