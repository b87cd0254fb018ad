"""Keeps reports on plugins in the user's cache folder, so that what did not change is looked at once."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kce.errors import BadData, KCEError
from kce.registry.plugin_report import PluginReport  # noqa: TC001 - read by msgspec
from kce.system.atomic import atomic_replace
from kce.system.cache import cache_folder
from kce.system.regular import read_regular
from kce.system.shipped import PACKAGE
from kce.system.version import __version__

if TYPE_CHECKING:
    from kce.registry.discovery import DiscoveredPlugin

_SCHEMA = 1
_HOUR = 3600.0
_LARGEST = 2**24  # bytes of a kept report
_HASHED = 2**20  # bytes; of larger files, size and time are compared
_FIXED = (f"{PACKAGE}{os.sep}", f"{Path(os.__file__).parent}{os.sep}")


class _Kept(msgspec.Struct):
    """The file of one plugin.

    Attributes:
        key: What it was looked at with: versions, and the state of the folders of packages.
        files: Path -> state, of the files that were loaded with it.
        report: What was found.
        made: When, in seconds since 1970.
    """

    key: str
    files: dict[str, str]
    report: PluginReport
    made: float


class ReportCache:
    """The kept reports. Where nothing can be kept, all is as if nothing had been kept."""

    def __init__(self) -> None:
        self._folder = cache_folder("plugins")
        # Installing and removing packages changes these. The working folder changes with every result.
        paths = [path for path in map(str, sys.path) if path and not _same(path, ".")]
        folders = [f"{path} {_changed(path)}" for path in paths]
        self._key = json.dumps([_SCHEMA, __version__, sys.version, sys.executable, *folders])

    def find(self, plugin: DiscoveredPlugin, *, usable: bool = False) -> PluginReport | None:
        """Return the kept report on a plugin, if it still holds.

        Args:
            plugin: The plugin.
            usable: Only if the plugin can be used.
        """
        if self._folder is None:
            return None
        try:
            kept = msgspec.json.decode(_read(self._folder / _file_name(plugin), _LARGEST) or b"", type=_Kept)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
        if kept.key != self._key or not kept.files or any(_state(path) != state for path, state in kept.files.items()):
            return None
        lasting = not kept.report.check or (not usable and 0 <= time.time() - kept.made < _HOUR)
        return kept.report if lasting else None

    def keep(self, plugin: DiscoveredPlugin, report: PluginReport, files: Iterable[str] = ()) -> None:
        """Keep a report: for an hour, if the plugin cannot be used.

        Args:
            plugin: The plugin.
            report: What was found.
            files: The files that were loaded with it.
        """
        if self._folder is None:
            return
        try:
            own = plugin.file()
        except (ImportError, ValueError):
            own = None
        if own is None:
            return
        watched = {str(own), *filter(_may_change, files)}
        kept = _Kept(self._key, {path: _state(path) for path in watched}, report, time.time())
        if "" in kept.files.values():
            return
        with suppress(OSError, UnicodeError, KCEError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with atomic_replace(self._folder / _file_name(plugin), sync=False) as part:
                part.write_bytes(msgspec.json.encode(kept))


def _file_name(plugin: DiscoveredPlugin) -> str:
    identity = json.dumps([sys.prefix, plugin.name, plugin.source, plugin.path, plugin.entry])
    return f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def _may_change(file: str) -> bool:
    """Whether a file may change while the folders of packages stay the same: not those that were installed."""
    return not file.startswith(_FIXED) and {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _state(path: str) -> str:
    """A hash of a file, or size and time of a large one; empty if there is no such file."""
    try:
        about = Path(path).stat()
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(about.st_mode) and about.st_size > _HASHED:
        return f"{about.st_size} {about.st_mtime_ns}"
    data = _read(Path(path), _HASHED)
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _read(path: Path, most: int) -> bytes | None:
    """The content of a regular file of at most so many bytes; None if it is something else."""
    try:
        return read_regular(path, most)
    except (OSError, ValueError, BadData):
        return None


def _same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def _changed(path: str) -> int:
    with suppress(OSError):
        return Path(path).stat().st_mtime_ns
    return 0
