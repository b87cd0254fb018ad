"""The conformance kit, for the tests of those who write components.

One line in a test file gives one test per promise of the kind:

    test_halves = conforms("clusterer", Halves)

What a component is known not to keep, its factory says with the reason, and then it must really not keep it:

    class Halves:
        known_faults = {"row-order": "the first row decides"}
        growth = {"time": 2}  # the power of n that time (or memory) grows with at most; 1 if nothing is said
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kce.errors import BrokenPromise
from kce.testing.base import NotChecked, Promise, Subject
from kce.testing.runner import of_kind

__all__ = ["BrokenPromise", "Promise", "checks", "conforms"]


def checks(kind: str) -> list[Promise]:
    """The promises of a kind, in the order they are looked at. Raises UnknownName for a kind that does not exist."""
    return of_kind(kind)


def conforms(kind: str, factory: Callable[..., Any] | str, **parameters: Any) -> Callable[..., None]:
    """A pytest test with one case per promise, for a module-level name that begins with `test_`.

    factory     what builds the component, or a name that `kce list` shows
    parameters  given to the factory; a dataset needs `root`, a folder with a small tree of its own

    A hanging component is stopped after 60 seconds (where the system has SIGALRM), if it comes back to Python at all;
    one that ends the process ends pytest: ``kce check`` looks at both from outside.
    """
    import pytest

    subject = Subject.of(kind, factory, parameters)
    cases = []
    for promise in of_kind(kind):
        reason = subject.known_faults.get(promise.name)
        marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=BrokenPromise)]
        cases.append(pytest.param(promise, id=promise.name, marks=marks))

    @pytest.mark.parametrize("promise", cases)
    def test(promise: Promise) -> None:
        try:
            promise.keep(subject)
        except NotChecked as skipped:
            pytest.skip(str(skipped))

    return test
