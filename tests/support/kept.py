"""Which promises a component breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kce.testing.runner import judge, of_kind

if TYPE_CHECKING:
    from kce.testing.base import Subject


def broken(subject: Subject) -> dict[str, str]:
    """promise -> how it is broken. Everything must have been looked at."""
    found = {promise.name: judge(promise, subject) for promise in of_kind(subject.kind)}
    assert {verdict for verdict, _ in found.values()} <= {"kept", "broken", "known fault"}, found
    return {name: detail for name, (verdict, detail) in found.items() if verdict == "broken"}
