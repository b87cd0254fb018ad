"""What the fields of a documented class mean, read from its docstring: for the manual, schemas and starter files."""

from __future__ import annotations

import inspect
import re
from typing import Any


def field_meanings(documented: Any, section: str = "Attributes") -> dict[str, str]:
    """Read the entries of one section of a docstring in Google's format.

    >>> from kce.types import Box
    >>> field_meanings(Box)["score"]
    "The detector's confidence, in [0, 1]."

    Args:
        documented: A class, function or module.
        section: The heading of the section.

    Returns:
        Name -> its text on one line; empty without a docstring or such a section.
    """
    body = inspect.cleandoc(documented.__doc__ or "").partition(f"\n{section}:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", body, re.MULTILINE)
    return {name: " ".join(text.replace("``", "`").split()) for name, text in entries}
