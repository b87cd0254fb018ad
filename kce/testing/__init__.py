"""The conformance kit: the checks of ``kce check``, as pytest tests of your own components.

Enters: a kind and what builds the component. Leaves: one test per check of the kind, or the list of checks. One line in
a test file is enough:

    test_halves = conforms("clusterer", Halves)

A check that a component is known to fail is declared by its factory with the reason; that check must then really fail,
so that no declaration outlives its reason. `growth` declares the power of n that time or memory grows with (default 1):

    class Halves:
        known_faults = {"row-order": "the first row decides"}
        growth = {"time": 2}

Where a fault depends on parameters, `known_faults` is a static method that is given them by name:

        @staticmethod
        def known_faults(parameters):
            return {"row-order": "the first row decides"} if parameters["axis"] == 0 else {}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kce.errors import CheckFailed
from kce.testing.base import Check, CheckSkipped, Subject
from kce.testing.runner import checks_of

__all__ = ["Check", "CheckFailed", "checks", "conforms"]


def checks(kind: str) -> list[Check]:
    """Return the checks of a kind, in the order in which they run.

    Args:
        kind: One of ``kce.hookspecs.KINDS``: "dataset", "detector", "backbone", "aligner", "reducer", "clusterer",
            "evaluator" or "engine".

    Raises:
        UnknownName: There is no such kind.

    Example:
        >>> [check.name for check in checks("clusterer")][:3]
        ['signature', 'builds', 'protocol']
        >>> checks("clusterer")[3].text
        'It does not end the process.'
    """
    return checks_of(kind)


def conforms(kind: str, factory: Callable[..., Any] | str, **parameters: Any) -> Callable[..., None]:
    """Return a pytest test with one case per check, to be bound to a module-level name that begins with ``test_``.

    A component that hangs is stopped after 60 seconds (where the system has SIGALRM) if it returns to Python, and one
    that ends the process ends pytest: ``kce check`` runs each component in another process and reports both.

    Args:
        kind: Kind of component, as for ``checks``.
        factory: What builds the component, or a name that ``kce list`` shows.
        **parameters: Passed to the factory. A dataset needs `root`, a folder with a small tree of its own.

    Raises:
        UnknownName: There is no such kind, or no component of that name.

    Example:
        >>> import numpy as np
        >>> class Signs:
        ...     def fit_predict(self, x):
        ...         return (x[:, 0] > 0).astype(int)
        >>> test_signs = conforms("clusterer", Signs)
        >>> cases = test_signs.pytestmark[0].args[1]
        >>> [case.id for case in cases][:3]
        ['signature', 'builds', 'protocol']
    """
    import pytest

    subject = Subject.create(kind, factory, parameters)
    cases = []
    for check in checks_of(kind):
        reason = subject.known_faults.get(check.name)
        marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailed)]
        cases.append(pytest.param(check, id=check.name, marks=marks))

    @pytest.mark.parametrize("check", cases)
    def test(check: Check) -> None:
        try:
            check.run(subject)
        except CheckSkipped as skipped:
            pytest.skip(str(skipped))

    return test
