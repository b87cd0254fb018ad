"""Errors that a user can act on: each has a message and, in ``hint``, what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Self

_MAX_SHOWN = 200  # letters of a name that a message repeats


class KCEError(Exception):
    """Something the user can fix. The command line prints it without a traceback and exits with status 2.

    Attributes:
        message: What is wrong.
        hint: What to do about it; may be empty.
        result: What a function of ``kce`` had made before the error, as it would have returned it; None = nothing.

    Example:
        >>> raise KCEError("the folder is empty", "give the folder that holds real/ and fake/")
        Traceback (most recent call last):
        kce.errors.KCEError: the folder is empty
        hint: give the folder that holds real/ and fake/
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.result: Any = None

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def prefixed(self, what: str) -> Self:
        """Return the same error with `what` in front of its message."""
        error = copy(self)
        error.message = f"{what}: {self.message}"
        error.args = (error.message,)
        return error

    def __reduce__(self) -> tuple[type[KCEError], tuple[str, ...]]:
        # Exceptions are pickled between processes, which would drop the hint.
        return type(self), (self.message, self.hint)


class UnknownName(KCEError):
    """A name that does not exist: of a component, a parameter, a category.

    Attributes:
        what: What the name was looked up as, such as "clusterer"; empty if not known.
        name: The name.
    """

    def __init__(self, message: str, hint: str = "", what: str = "", name: str = "") -> None:
        super().__init__(message, hint)
        self.what = what
        self.name = name

    def __reduce__(self) -> tuple[type[KCEError], tuple[str, ...]]:
        return type(self), (self.message, self.hint, self.what, self.name)

    @classmethod
    def among(cls, what: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
        """Return the error for a name, with the nearest match and everything that is known.

        Args:
            what: What has the name: "clusterer".
            name: The unknown name.
            known: The names that exist.
            hint: What to do about it; empty = to choose among the known names.
        """
        known = sorted(known)
        folded = {k.casefold(): k for k in known}
        shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}..."
        near = difflib.get_close_matches(shown.casefold(), folded, n=1, cutoff=0.5)
        guess = f" Did you mean {folded[near[0]]!r}?" if near else ""
        listed = ", ".join(known) if known else "none"
        if not hint:
            hint = f"write {folded[near[0]]!r}" if near else "choose one that is known" if known else "leave it out"
        return cls(f"no {what} named {shown!r}.{guess} Known: {listed}", hint, what, name)


class CheckFailed(KCEError):
    """A component that fails a check of its kind.

    Attributes:
        check: The name of the check.

    Example:
        >>> from kce.testing import checks
        >>> from kce.testing.base import Subject
        >>> class Lists:
        ...     def fit_predict(self, x):
        ...         return [0] * len(x)
        >>> (check,) = [check for check in checks("clusterer") if check.name == "type"]
        >>> check.run(Subject.create("clusterer", Lists, {}))
        Traceback (most recent call last):
        kce.errors.CheckFailed: its answer is list, not a numpy array
    """

    def __init__(self, check: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.check = check

    def __reduce__(self) -> tuple[type[KCEError], tuple[str, ...]]:
        return type(self), (self.check, self.message, self.hint)


class BrokenPlugin(CheckFailed):
    """A plugin that exists and cannot be used; raised only where it is asked for.

    Its `check` is "imports", "api", "hooks" (their names are known, they return factories by name), "names" (they are
    unique) or "signature" (keyword parameters are the whole configuration).
    """


class BadData(KCEError):
    """Data that cannot be used as it is.

    Example:
        >>> raise BadData("frame 12 of 0001.mp4 cannot be decoded", "download the file again")
        Traceback (most recent call last):
        kce.errors.BadData: frame 12 of 0001.mp4 cannot be decoded
        hint: download the file again
    """


class BadValue(KCEError, ValueError):
    """Rows or a parameter that a component cannot use. It is a ValueError too, which users of scikit-learn expect.

    Example:
        >>> raise BadValue("4 clusters cannot be made of 3 rows", "use at most n_clusters=3")
        Traceback (most recent call last):
        kce.errors.BadValue: 4 clusters cannot be made of 3 rows
        hint: use at most n_clusters=3
    """


class MachineFault(KCEError):
    """The machine could not do its part: memory, processes, threads, open files, a disk or a network that went away.

    It says nothing about the file that was at work. Nothing is recorded about that file, and the same command tries
    again.

    Example:
        >>> raise MachineFault("too few open files are allowed", "raise the limit (`ulimit -n`)")
        Traceback (most recent call last):
        kce.errors.MachineFault: too few open files are allowed
        hint: raise the limit (`ulimit -n`)
    """


class Refused(KCEError):
    """Rows, weights or faces that were made with different settings from those requested now."""


@contextmanager
def recoverable(what: str, hint: str = "`kce show` lists its parameters") -> Iterator[None]:
    """Turn a ValueError of a library inside the block into a KCEError about `what`.

    Many libraries check their parameters only when they get data. A component calls them in this block, so that its
    user reads a message and a hint instead of a traceback.

    Args:
        what: The component, as messages call it.
        hint: What to do about the error.

    Raises:
        BadValue: The block raised ValueError. A KCEError comes out as it is.

    Example:
        >>> with recoverable("kmeans"):
        ...     raise ValueError("n_samples=3 should be >= n_clusters=5")
        Traceback (most recent call last):
        kce.errors.BadValue: kmeans: n_samples=3 should be >= n_clusters=5
        hint: `kce show` lists its parameters
    """
    try:
        yield
    except KCEError:
        raise
    except ValueError as error:
        raise BadValue(f"{what}: {error}", hint) from error


def optional_library(name: str) -> Any:
    """Import a library that KCE can do without; the extra of that name brings it.

    Raises:
        KCEError: It is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise KCEError(f"{name} is not installed", f'pip install "kce-toolkit[{name}]"') from error
