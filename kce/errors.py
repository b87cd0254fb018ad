"""Errors a user can act on. Each says what is wrong and, in ``hint``, what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Self


class KCEError(Exception):
    """Something the user can fix. The command line prints it without a traceback and exits with status 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def of(self, what: str) -> Self:
        """The same error, saying first what it is about."""
        again = copy(self)
        again.message = f"{what}: {self.message}"
        again.args = (again.message,)
        return again

    def __reduce__(self) -> tuple[type[KCEError], tuple[str, ...]]:
        # Exceptions cross process borders by pickle, which would otherwise drop the hint.
        return type(self), (self.message, self.hint)


class UnknownName(KCEError):
    """A name that nothing bears: a component, a parameter, a category.

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
        """The error for `name`, with its nearest match and everything that is known."""
        known = sorted(known)
        folded = {k.casefold(): k for k in known}
        near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
        guess = f" Did you mean {folded[near[0]]!r}?" if near else ""
        listed = ", ".join(known) if known else "none"
        return cls(f"no {what} named {name!r}.{guess} Known: {listed}", hint, what, name)


class CheckFailed(KCEError):
    """A component that fails a check of its kind; `check` is the name of the check."""

    def __init__(self, check: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.check = check

    def __reduce__(self) -> tuple[type[KCEError], tuple[str, ...]]:
        return type(self), (self.check, self.message, self.hint)


class BrokenPlugin(CheckFailed):
    """A plugin that was found and cannot be used; raised only to whoever asks for it.

    `check` is the one it fails as a plugin: "imports", "api", "hooks" (known ones, that return factories by name),
    "names" (nobody else's) or "signature" (keyword parameters that are the whole configuration).
    """


class BadData(KCEError):
    """Data on disk that cannot be used as it is."""


class Refused(KCEError):
    """Rows, weights or faces made in another way than the ones now asked for."""


@contextmanager
def recoverable(what: str, hint: str = "`kce show` lists its parameters") -> Iterator[None]:
    """Turns a library's ValueError inside into a KCEError about `what`.

    Many libraries look at their parameters only when they get data, and then speak of the data. A component calls them
    inside this, so that its user reads a message and a hint and no traceback:

    >>> with recoverable("kmeans"):
    ...     raise ValueError("n_samples=3 should be >= n_clusters=5")
    Traceback (most recent call last):
    kce.errors.KCEError: kmeans: n_samples=3 should be >= n_clusters=5
    hint: `kce show` lists its parameters
    """
    try:
        yield
    except ValueError as error:
        raise KCEError(f"{what}: {error}", hint) from error
