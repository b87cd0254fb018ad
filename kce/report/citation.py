"""What a reader needs to cite results: the provenance in lines of text, and the entries of a bibliography."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kce.registry.result_provenance import Provenance
from kce.system.atomic import write_atomic
from kce.system.documents import document_from_table, write_document
from kce.system.regular import make_folder_inside
from kce.system.version import __version__

_BIBLIOGRAPHY = Path(__file__).resolve().parent / "citation.bib"


def provenance_lines(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The provenance as (what, text), for people.

    Args:
        provenance: As plain tables, with the keys of ``Provenance``.

    >>> lines = provenance_lines({"made": "2026-01-31T12:00:00Z", "command": "", "n": {"rows": 400}, "seeds": [0, 1],
    ...                           "versions": {"kce": "0.1.0"}, "parts": {"reducer pca": "kce-toolkit 0.1.0"},
    ...                           "data": "faces", "data_hash": "c0ffee"})
    >>> dict(lines)["command"], dict(lines)["n"], dict(lines)["seeds"]
    ('none: called from Python', '400 rows', '0, 1')
    """
    return [
        ("n", ", ".join(f"{count:,} {what}" for what, count in provenance["n"].items())),
        ("seeds", ", ".join(map(str, provenance["seeds"]))),
        ("data", provenance["data"]),
        ("hash of the data", provenance["data_hash"]),
        ("made", provenance["made"]),
        ("command", provenance["command"] or "none: called from Python"),
        ("versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
        ("parts", "; ".join(f"{part} ({origin})" for part, origin in provenance["parts"].items())),
    ]


def describe_provenance(provenance: Mapping[str, Any] | None) -> str:
    """The provenance in one line, for the foot of a table.

    >>> describe_provenance(None)
    'Where these numbers come from was not recorded when they were made.'
    """
    if provenance is None:
        return "Where these numbers come from was not recorded when they were made."
    return "; ".join(f"{what}: {text}" for what, text in provenance_lines(provenance)) + "."


def bibliography(version: str = __version__) -> str:
    """BibTeX of the paper whose method this is, and of KCE in a version.

    >>> "10.3390/electronics12112353" in bibliography() and "version = {9.9}" in bibliography("9.9")
    True
    """
    return _BIBLIOGRAPHY.read_text(encoding="utf-8").replace("VERSION", version)


def write_citation_files(folder: Path, provenance: Mapping[str, Any]) -> list[Path]:
    """Write ``provenance.json`` and ``citation.bib`` into the folder of the tables, whose csv files stay plain tables.

    Args:
        folder: The folder.
        provenance: As for ``provenance_lines``.

    Returns:
        The paths of both.
    """
    make_folder_inside(folder.parent, folder.name)
    written = [folder / "provenance.json", folder / "citation.bib"]
    table = {"schema": Provenance.SCHEMA, **provenance}
    write_document(written[0], document_from_table(table, Provenance, str(written[0])))
    write_atomic(written[1], bibliography(provenance["versions"]["kce"]).encode())
    return written
