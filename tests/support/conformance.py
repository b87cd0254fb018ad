"""Runs every check of a component, for the tests of built-in ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kce.testing.runner import checks_of, run_check

if TYPE_CHECKING:
    from kce.testing.base import Subject


def failed_checks(subject: Subject) -> dict[str, str]:
    """Check -> why it fails. Every check must have been run."""
    results = {check.name: run_check(check, subject) for check in checks_of(subject.kind)}
    assert {result for result, _ in results.values()} <= {"passed", "failed", "known fault"}, results
    return {name: detail for name, (result, detail) in results.items() if result == "failed"}
