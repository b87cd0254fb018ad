"""Counts the rows of a list that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterator

from kce import Remark

MAX_CONTRADICTORY = 0.005  # share of the rows; above it the list is not read as its authors meant it


class ListCheck:
    """Counts the rows of a list.

    Args:
        name: The name of the list, for errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self._contradictory = 0
        self._first = ""

    def add_contradiction(self, reason: str) -> None:
        """Count a row that contradicts itself."""
        self._contradictory += 1
        self._first = self._first or reason

    def errors(self) -> Iterator[Remark]:
        """Yield an error where many rows contradict themselves."""
        if self._contradictory > MAX_CONTRADICTORY * self.rows:
            reason = f"{self._contradictory} of its {self.rows} rows contradict themselves, the first: {self._first}"
            yield Remark("error", self.name, reason, "correct the list, or say how it is to be read")
