"""Where plugins are found. Finding reads names and imports nothing.

Three places are looked at: the built-in plugins, the entry-point group ``kce`` of installed packages, and a
``plugins/`` folder beside the user's ``registry.toml``.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from kce.hookspecs import KINDS
from kce.system.shipped import BUILT_IN

_KIND_FOLDERS = frozenset(f"{kind}s" for kind in KINDS)


@dataclass(frozen=True)
class DiscoveredPlugin:
    """A plugin that is there.

    name    what it is called
    source  "built-in", "NAME VERSION" of an installed package, or its file
    load    imports it; a module, if its package names one
    file    tells where its code lies without running it
    head    the fields of its package's metadata by their names in small letters; nothing for a file
    clash   why its name is not its own
    """

    name: str
    source: str
    load: Callable[[], object]
    file: Callable[[], Path | None]
    head: Mapping[str, str] = field(default_factory=dict)
    clash: str = ""

    def declared(self) -> object:
        """The version of the plugin API its code says it was written for, read without running it; None if none."""
        try:
            file = self.file()
            code = ast.parse(file.read_bytes()) if file else ast.Module([], [])
        except (OSError, SyntaxError, ValueError, ImportError):
            return None
        for line in code.body:
            if not isinstance(line, ast.Assign | ast.AnnAssign) or not isinstance(line.value, ast.Constant):
                continue
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            if any(isinstance(target, ast.Name) and target.id == "KCE_API" for target in targets):
                return line.value.value
        return None


def discover_plugins(folder: Path | None) -> dict[str, DiscoveredPlugin]:
    """Every plugin in reach by its name, built-in ones first. `folder` is that of the user's registry.

    A built-in keeps its name whatever comes; outsiders of one name all lose it. Who clashes stays in the list, the
    later one as "NAME (SOURCE)".
    """
    settled = {found.name: found for found in _in_folder(BUILT_IN, "built-in")}
    for found in (*_installed(), *(_in_folder(folder / "plugins", "") if folder is not None else ())):
        holder = settled.get(found.name)
        if holder is None:
            settled[found.name] = found
            continue
        clash = f"its name {found.name!r} is already used by {holder.source}"
        if holder.source != "built-in":
            clash = f"two plugins are named {found.name!r}: {holder.source} and {found.source}"
            settled[found.name] = replace(holder, clash=clash)
        settled[f"{found.name} ({found.source})"] = replace(found, clash=clash)
    return settled


def _in_folder(folder: Path, source: str) -> list[DiscoveredPlugin]:
    """The modules and packages of a folder, and of its folders by kind. `source` is what to call them; empty = each by
    its own path."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            found.append(
                DiscoveredPlugin(
                    path.stem, source or str(path), _loader(path, own=source == "built-in"), partial(_code, path)
                )
            )
        elif path.name in _KIND_FOLDERS:
            found += _in_folder(path, source)
    return found


def _code(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path


def _loader(path: Path, *, own: bool) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        # Folders of two users may hold a file of the same name, so the module's name carries the folder.
        where = "" if own else f"{sha256(str(path.parent.resolve()).encode()).hexdigest()[:8]}_"
        name = f"kce_plugin_{where}{path.stem}"
        if name in sys.modules:
            return sys.modules[name]
        is_package = path.is_dir()
        spec = importlib.util.spec_from_file_location(
            name,
            _code(path),
            submodule_search_locations=[str(path)] if is_package else None,
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return load


def _installed() -> Iterator[DiscoveredPlugin]:
    for entry in importlib.metadata.entry_points(group="kce"):
        head = metadata_fields(entry.dist) if entry.dist else {}
        source = f"{head['name']} {head['version']}" if {"name", "version"} <= head.keys() else entry.value
        yield DiscoveredPlugin(entry.name, source, entry.load, partial(_installed_code, entry.module), head)


def metadata_fields(distribution: importlib.metadata.Distribution) -> dict[str, str]:
    """The fields of a distribution's metadata, of several with one name the first.

    The standard library parses all of it as an email each time anything is asked: 60 ms of 200 packages.
    """
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:
        return {}
    lines = [line.partition(": ") for line in text.partition("\n\n")[0].splitlines()]
    return {name.lower(): value.strip() for name, colon, value in reversed(lines) if colon}


def _installed_code(module: str) -> Path | None:
    """Where an installed module lies. The packages it is in are not imported: they may be what cannot be."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(spec.origin) if spec and spec.origin else None
    places = [Path(place, *inner) for place in spec.submodule_search_locations or ()]
    files = [file for place in places for file in (place.with_name(f"{place.name}.py"), place / "__init__.py")]
    return next((file for file in files if file.is_file()), None)
