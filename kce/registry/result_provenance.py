"""Where results come from: what every report of a run, a study, a benchmark and an audit says, to be cited by."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, ClassVar

from kce.registry.distributions import plugin_origin
from kce.registry.specs import parse_spec
from kce.system.documents import Document
from kce.system.version import __version__

if TYPE_CHECKING:
    from kce.registry.registry import Registry

_LIBRARIES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "hdbscan", "openTSNE")


@dataclass(frozen=True)
class Provenance(Document):
    """Where results come from. A report has it as ``provenance``, its tables as ``tables/provenance.json``.

    Attributes:
        made: When they were reported: UTC, as 2026-01-31T12:00:00Z.
        command: The command as it was typed; empty = called from Python.
        n: What was counted -> how many.
        seeds: Random seeds.
        versions: Library -> version, of those that can change a result.
        parts: "kind NAME:key=value" of every component -> the distribution it is of, with its version, or its file with
            a hash.
        data: What was measured, in words.
        data_hash: Hash of what was measured: equal for equal faces, tables or suites of worlds.
    """

    NOUN: ClassVar[str] = "the provenance of results"
    HINT: ClassVar[str] = "the command that wrote the tables beside it writes it again"

    made: str
    command: str
    n: Mapping[str, int]
    seeds: tuple[int, ...]
    versions: Mapping[str, str]
    parts: Mapping[str, str]
    data: str
    data_hash: str


def record_provenance(
    registry: Registry,
    parts: Iterable[tuple[str, str]],
    *,
    n: Mapping[str, int],
    seeds: Sequence[int],
    data: str,
    data_hash: str,
    command: str | None = None,
) -> Provenance:
    """Record where results come from that are made now.

    Args:
        registry: Where the components are looked up.
        parts: (kind, spec) of every component that took part.
        n: What was counted -> how many.
        seeds: Random seeds.
        data: What was measured, in words.
        data_hash: Hash of what was measured.
        command: The command as it was typed; None = that of this process.

    Raises:
        UnknownName: For a component that is not there.
    """
    return Provenance(
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=current_command() if command is None else command,
        n=dict(n),
        seeds=tuple(seeds),
        versions=library_versions(),
        parts=part_origins(registry, parts),
        data=data,
        data_hash=data_hash,
    )


def part_origins(registry: Registry, parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Say where components come from: "kind NAME:key=value" -> a distribution with its version, or a file with a hash.

    Raises:
        UnknownName: For a component that is not there.
    """
    return {
        f"{kind} {spec}": plugin_origin(registry, registry.entry(kind, parse_spec(spec)[0]).plugin)
        for kind, spec in sorted(set(parts))
    }


def current_command() -> str:
    """The command of this process as it was typed; empty if it is not one of KCE."""
    program = Path(sys.argv[0]) if sys.argv else Path()
    ours = program.stem == "kce" or (program.name == "__main__.py" and program.parent.name == "kce")
    return shlex.join(["kce", *sys.argv[1:]]) if ours else ""


def library_versions() -> dict[str, str]:
    """Package -> version, of everything whose version can change a result."""
    versions = {"python": python_version(), "kce": __version__}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
