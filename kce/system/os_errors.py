"""What the operating system refused, told as what it was: the one table from error numbers to words and advice.

A file is damaged only if it was read and its content is wrong. A file that could not be read or written says nothing
about its content, so nobody is advised to throw it away.
"""

from __future__ import annotations

import errno
import os
import re

from kce.errors import MachineFault

_UNSUPPORTED = ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS")
_CONTINUES = "then run the same command again: it continues"

# Names of error numbers -> what happened, and what to do about it. A system may lack some names.
_TABLE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("EACCES", "EPERM"), "permission denied", "get permission, or choose a place that you can read and write"),
    (
        ("EAGAIN", "EWOULDBLOCK", "EBUSY", "ETXTBSY", "EDEADLK"),
        "another program uses it, or a limit of the system is reached",
        f"wait until the other program has closed it, {_CONTINUES}",
    ),
    (_UNSUPPORTED, "the file system does not support what is needed, such as locks", "use another file system"),
    (
        ("ESTALE",),
        "the network file system has lost track of it (stale file handle)",
        f"mount it again if need be, {_CONTINUES}",
    ),
    (("ENOSPC",), "the disk is full", f"make room, {_CONTINUES}"),
    (("EDQUOT",), "the disk is full: your quota is used up", f"make room or get more of it, {_CONTINUES}"),
    (("EFBIG",), "a limit on the size of files is reached (ulimit -f)", f"raise it, {_CONTINUES}"),
    (("EROFS",), "the file system is read-only", "choose a place that you can write to"),
    (
        ("EIO", "EREMOTEIO"),
        "the disk or the network reported an error (input/output error)",
        f"check the disk and its connection, {_CONTINUES}",
    ),
    (
        ("ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNRESET", "ECONNREFUSED",
         "ECONNABORTED", "ENODEV", "ENXIO", "ENOMEDIUM", "ESHUTDOWN"),
        "the disk or the network file system cannot be reached",
        f"connect or mount it again, {_CONTINUES}",
    ),
    (("EMFILE", "ENFILE"), "too many files are open", f"allow more open files (`ulimit -n`), {_CONTINUES}"),
    (("ENOMEM",), "there is too little memory", f"free some memory, or use fewer workers, {_CONTINUES}"),
    (("ENAMETOOLONG",), "the name is too long for the file system", "choose a shorter one"),
    (("ELOOP",), "it is a link that cannot be followed", "put the file itself there"),
    (
        ("ENOENT",),
        "it does not exist",
        "check the path; if a folder was moved meanwhile, name its new place: the work continues there",
    ),
    (("ENOTDIR",), "a part of its path is a file, not a folder", "check the path"),
    (("EISDIR",), "it is a folder, not a file", "check the path"),
    (("EEXIST",), "something with this name is there already", "choose another name"),
    (("ENOTEMPTY",), "the folder is not empty", "choose another name"),
)  # fmt: skip

_WORDS = {
    getattr(errno, name): (words, hint) for names, words, hint in _TABLE for name in names if hasattr(errno, name)
}

# h5py and safetensors put the number into the text.
_NUMBER = re.compile(r"(?:errno = |os error |\[Errno )(\d+)")


NO_LOCKS = frozenset(getattr(errno, name) for name in _UNSUPPORTED if hasattr(errno, name))
"""What a file system without locks says."""


def error_number(error: BaseException) -> int | None:
    """The system's number of an error (``errno``); None if it has none, so it came from what was read.

    >>> error_number(OSError("unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'"))
    11
    >>> error_number(OSError("truncated file: eof = 96")) is None
    True
    """
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return number
    found = _NUMBER.search(str(error))
    return int(found[1]) if found and int(found[1]) else None


def is_system_error(error: BaseException) -> bool:
    """Whether the system refused something, so that nothing is known about the content of the file."""
    return error_number(error) in _WORDS


def describe_os_error(error: BaseException) -> tuple[str, str]:
    """What happened, and what to do about it.

    >>> describe_os_error(PermissionError(13, "Permission denied"))
    ('permission denied', 'get permission, or choose a place that you can read and write')
    """
    number = error_number(error)
    if number in _WORDS:
        return _WORDS[number]
    said = os.strerror(number) if number else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said, "check the disk, the path and your permissions; KCE_DEBUG=1 shows where it happened"


def is_missing(fault: MachineFault) -> bool:
    """Whether what could not be read is not there; then it need not be the machine's fault.

    >>> fault = MachineFault("a.png: is missing")
    >>> fault.__cause__ = FileNotFoundError(2, "No such file")
    >>> is_missing(fault)
    True
    """
    return isinstance(fault.__cause__, (FileNotFoundError, NotADirectoryError))


def system_failure(what: str, error: BaseException, hint: str = "") -> MachineFault:
    """The error for a user.

    Args:
        what: What could not be done: "runs/x/plan.toml cannot be read".
        error: What the system said.
        hint: What to do about it, where the caller knows better than the table.

    >>> print(system_failure("plan.toml cannot be read", OSError(5, "Input/output error")))
    plan.toml cannot be read: the disk or the network reported an error (input/output error)
    hint: check the disk and its connection, then run the same command again: it continues
    """
    words, advice = describe_os_error(error)
    return MachineFault(f"{what}: {words}", hint or advice)
