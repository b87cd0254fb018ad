"""Tells whether a JPEG is damaged: libjpeg decodes one with a hole, and only writes a warning to standard error."""

from __future__ import annotations

import os
import re
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_SPARE = 4  # bytes between the data and the end of a picture: encoders of some cameras leave a few

_WARNING = re.compile(
    r"(?:Corrupt JPEG data|Premature end of JPEG|Warning: unknown JFIF|Invalid SOS|Inconsistent progression"
    r"|Unknown Adobe|Application transferred too many).*\n?"
)
_DAMAGE = re.compile(r"(?:Corrupt JPEG data: )?((?P<spare>\d+) extraneous bytes before marker 0xd9|.+)")
_BENIGN = ("Warning: unknown JFIF", "Invalid SOS", "Unknown Adobe")
_START, _TABLES, _SCAN = b"\xff\xd8", 0xDB, 0xDA
_stderr = threading.Lock()  # standard error belongs to the whole process


@contextmanager
def libjpeg_warnings(data: bytes) -> Iterator[list[str]]:
    """Collect the warnings that libjpeg writes to standard error while it decodes; other text there is passed on.

    Args:
        data: The bytes of the picture; if it is no JPEG, nothing is collected.

    Yields:
        A list that holds the warnings when the block ends.
    """
    lines: list[str] = []
    if not data.startswith(_START):
        yield lines
        return
    with _stderr, tempfile.TemporaryFile(buffering=0) as written:
        stderr = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if written.tell():
                written.seek(0)
                text = written.read().decode(errors="replace")
                lines += _WARNING.findall(text)
                if others := _WARNING.sub("", text):
                    os.write(2, others.encode())


def jpeg_damage(data: bytes, warnings: list[str]) -> str:
    """The reason why a JPEG is damaged; "" if it is not, as far as its data tell.

    Args:
        data: The bytes of the picture.
        warnings: Those of ``libjpeg_warnings``.

    Example:
        >>> jpeg_damage(b"", ["Corrupt JPEG data: 812 extraneous bytes before marker 0xd9"])
        '812 extraneous bytes before marker 0xd9'
        >>> jpeg_damage(b"", ["Corrupt JPEG data: 1 extraneous bytes before marker 0xd9"])
        ''
    """
    for line in warnings:
        match = _DAMAGE.match(line)
        if match and not line.startswith(_BENIGN) and int(match["spare"] or MAX_SPARE + 1) > MAX_SPARE:
            return match[1]
    return "a quantization table with zeros" if _quantizes_by_zero(data) else ""


def _quantizes_by_zero(data: bytes) -> bool:
    """Whether a quantization table before the first scan has a zero: the picture would be grey."""
    at = len(_START)
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        kind, size = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if kind == _SCAN:
            return False
        if kind == _TABLES and _has_zero(data[at + 4 : at + 2 + size]):
            return True
        at += 2 + size
    return False


def _has_zero(tables: bytes) -> bool:
    while tables:
        width = 2 if tables[0] >> 4 else 1  # bytes of a value
        values, tables = tables[1 : 1 + 64 * width], tables[1 + 64 * width :]
        if any(values[i : i + width] == bytes(width) for i in range(0, len(values), width)):
            return True
    return False
