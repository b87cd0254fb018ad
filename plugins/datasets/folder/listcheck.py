"""Counts what a list names, to find lists that do not belong to the files beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kce import Remark

MAX_MISSING = 0.1  # share of the listed files; above it the list is not one of these files
MAX_CONTRADICTORY = 0.005  # share of the rows


class ListCheck:
    """Counts the files of a list.

    Args:
        name: The name of the list, for errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: Counter[str] = Counter()  # by category
        self.missing: Counter[str] = Counter()
        self.contradictory = 0
        self._first = ""

    def add_contradiction(self, reason: str) -> None:
        """Count a row that contradicts itself."""
        self.contradictory += 1
        self._first = self._first or reason

    def errors(self) -> Iterator[Remark]:
        """Yield an error where too much of the list cannot be used."""
        found, missing = self.found.total(), self.missing.total()
        if self.contradictory > MAX_CONTRADICTORY * (found + missing + self.contradictory):
            reason = f"{self.contradictory} of its rows contradict themselves, the first: {self._first}"
            yield Remark("error", self.name, reason, "correct the list, or say how it is to be read")
        hint = "is it the list of these files, and is the root the folder that its paths start from?"
        if missing > MAX_MISSING * (found + missing):
            yield Remark(
                "error", self.name, f"{missing} of the {found + missing} files that it lists are missing", hint
            )
        for category in sorted(self.missing.keys() - self.found.keys()):
            reason = f"it lists {self.missing[category]} files of {category}, and all are missing"
            yield Remark("error", self.name, reason, "get these files, or take them out of the list")
