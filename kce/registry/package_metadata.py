"""Reads what installed packages say of themselves, each apart: one that is broken stops no other.

``importlib.metadata.entry_points`` parses the files of every package before it looks for a group, and raises for all of
them what one of them did.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from typing import Any, NamedTuple

from kce.errors import BadData
from kce.system.package_files import read_metadata

_ENTRY = re.compile(r"\s*(?P<name>[^=\s][^=]*?)\s*=\s*(?P<value>\S.*?)\s*")
_VALUE = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\s*(:\s*(?P<attribute>[\w.]+))?\s*(\[.*\])?")


class EntryPoint(NamedTuple):
    """A line of an ``entry_points.txt``.

    Attributes:
        name: What stands before the "=".
        module: The dotted name of the module.
        attribute: What is looked up in it; empty = the module itself.
    """

    name: str
    module: str
    attribute: str = ""


class Installed(NamedTuple):
    """An installed package.

    Attributes:
        distribution: What ``importlib.metadata`` found.
        name: Its name by the name of its folder, in lower case and with single hyphens; empty if it has no folder.
        folder: The folder or file with its metadata; empty if there is none.
        leftover: Whether pip renamed it, to remove it, and was interrupted.
    """

    distribution: Distribution
    name: str
    folder: str
    leftover: bool


def installed_packages() -> Iterator[Installed]:
    """Find every installed package, in the order in which Python would import from them."""
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_distributions", None)
        if find is None:
            continue
        try:
            yield from map(_installed, find(importlib.metadata.DistributionFinder.Context()))
        except Exception:  # noqa: S112 - a finder of somebody's, or a strange entry of sys.path
            continue


def _installed(distribution: Distribution) -> Installed:
    path: Any = getattr(distribution, "_path", None)
    file = getattr(path, "name", "")
    name = file.rpartition(".")[0].partition("-")[0]
    return Installed(distribution, normalised_name(name), str(path or ""), file.startswith("~"))


def normalised_name(name: str) -> str:
    """Return the name of a package as the index compares it.

    Example:
        >>> normalised_name("Kce_Toolkit")
        'kce-toolkit'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def metadata_fields(distribution: Distribution) -> dict[str, str]:
    """Read the fields of a distribution's metadata by their lower-case names; of repeated fields, the first.

    The standard library parses the whole text as an email for each field: 60 ms for 200 packages.
    """
    text = read_metadata(distribution, "METADATA") or read_metadata(distribution, "PKG-INFO")
    lines = [line.partition(": ") for line in text.partition("\n\n")[0].splitlines()]
    return {name.lower(): value.strip() for name, colon, value in reversed(lines) if colon}


def entry_points(distribution: Distribution, group: str) -> Iterator[EntryPoint | BadData]:
    """Read the entry points of one group; an error takes the place of each line that is none."""
    text = read_metadata(distribution, "entry_points.txt")
    if group not in text:
        return
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1].strip()
        elif section == group:
            yield _entry_point(stripped)


def _entry_point(line: str) -> EntryPoint | BadData:
    entry = _ENTRY.fullmatch(line)
    value = _VALUE.fullmatch(entry["value"]) if entry else None
    if entry is None or value is None or "\ufffd" in line:
        text = f"its package has an entry_points.txt with the line {line!r:.80}, which is not NAME = MODULE"
        return BadData(text, "install it again")
    return EntryPoint(entry["name"], value["module"], value["attribute"] or "")
