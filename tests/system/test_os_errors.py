"""What the operating system refused, in words."""

from __future__ import annotations

import errno
import os

import pytest

from kce.errors import MachineFault
from kce.system.os_errors import NO_LOCKS, describe_os_error, error_number, is_system_error, system_failure

NAMED = [
    "EACCES", "EAGAIN", "EDQUOT", "EEXIST", "EFBIG", "EIO", "EISDIR", "ELOOP", "EMFILE", "ENAMETOOLONG", "ENODEV",
    "ENOENT", "ENOLCK", "ENOMEM", "ENOSPC", "ENOSYS", "ENOTCONN", "ENOTDIR", "EOPNOTSUPP", "EPERM", "EROFS", "ESTALE",
    "ETIMEDOUT",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_every_usual_error_has_words_and_a_hint_that_throws_nothing_away(name: str) -> None:
    number = getattr(errno, name)
    failure = system_failure("x cannot be read", OSError(number, os.strerror(number), "x"))
    assert isinstance(failure, MachineFault)
    assert failure.message.startswith("x cannot be read: ")
    assert failure.hint
    said = f"{failure.message} {failure.hint}".lower()
    assert not any(word in said for word in ("damaged", "delete", "remove"))


def test_an_unknown_number_is_told_in_the_words_of_the_system() -> None:
    words, hint = describe_os_error(OSError(errno.EXDEV, os.strerror(errno.EXDEV)))
    assert words == os.strerror(errno.EXDEV)
    assert hint


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Unable to synchronously open file (unable to lock file, errno = 11, error message = 'x')", 11),
        ("I/O error: No space left on device (os error 28)", 28),
        ("[Errno 5] Can't synchronously read data", 5),
        ("Unable to synchronously open file (truncated file: eof = 96, stored_eof = 2048)", None),
        ("file read failed: time = x, errno = 0", None),
    ],
)
def test_libraries_put_the_number_into_the_text(text: str, number: int | None) -> None:
    assert error_number(OSError(text)) == number
    assert is_system_error(OSError(text)) == (number is not None)


def test_a_file_system_without_locks_says_so_in_several_ways() -> None:
    assert {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS} <= NO_LOCKS
