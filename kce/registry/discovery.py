"""Finds plugins without importing anything.

There are three sources: the built-in plugins, the entry-point group ``kce`` of installed packages, and a ``plugins/``
folder beside the user's ``registry.toml``.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType

from kce.hookspecs import KINDS
from kce.registry.package_metadata import metadata_fields
from kce.system.shipped import BUILT_IN

_KIND_FOLDERS = frozenset(f"{kind}s" for kind in KINDS)


@dataclass(frozen=True)
class DiscoveredPlugin:
    """A plugin that was found.

    Attributes:
        name: Its name.
        source: "built-in", "NAME VERSION" of an installed package, or the plugin's file.
        load: Imports the plugin; returns a module, if the entry point names one.
        file: Returns the file with its code without running it, or None.
        metadata: The fields of its package's metadata by their lower-case names; empty for a file.
        clash: Why it cannot have its name; empty if it can.
    """

    name: str
    source: str
    load: Callable[[], object]
    file: Callable[[], Path | None]
    metadata: Mapping[str, str] = field(default_factory=dict)
    clash: str = ""

    def declared_api(self) -> object:
        """Read ``KCE_API`` from its code without running it; None if it is not there or not a constant."""
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
    """Find every plugin, built-in ones first.

    A built-in plugin keeps its name whatever else is found; third-party plugins with the same name all lose it.

    Args:
        folder: The folder of the user's ``registry.toml``, if there is one.

    Returns:
        The plugins by name; of two with the same name, the second is "NAME (SOURCE)", and `clash` says why.
    """
    plugins = {plugin.name: plugin for plugin in _in_folder(BUILT_IN, "built-in")}
    for plugin in (*_installed(), *(_in_folder(folder / "plugins", "") if folder is not None else ())):
        first = plugins.get(plugin.name)
        if first is None:
            plugins[plugin.name] = plugin
            continue
        clash = f"its name {plugin.name!r} is already used by a built-in plugin"
        if first.source != "built-in":
            clash = f"two plugins are named {plugin.name!r}: {first.source} and {plugin.source}"
            plugins[plugin.name] = replace(first, clash=clash)
        plugins[f"{plugin.name} ({plugin.source})"] = replace(plugin, clash=clash)
    return plugins


def _in_folder(folder: Path, source: str) -> list[DiscoveredPlugin]:
    """The modules and packages of a folder and of its folders by kind (``datasets/``, ``clusterers/`` ...).

    `source` is that of all of them; empty = the path of each.
    """
    if not folder.is_dir():
        return []
    plugins = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            load = _loader(path, built_in=source == "built-in")
            plugins.append(DiscoveredPlugin(path.stem, source or str(path), load, partial(_code, path)))
        elif path.name in _KIND_FOLDERS:
            plugins += _in_folder(path, source)
    return plugins


def _code(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path


def _loader(path: Path, *, built_in: bool) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        name = f"kce_plugin_{'' if built_in else _folder_id(path.parent)}{path.stem}"
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


def _folder_id(folder: Path) -> str:
    """Part of a module's name, since two folders may hold a file of the same name."""
    from hashlib import sha256

    return f"{sha256(str(folder.resolve()).encode()).hexdigest()[:8]}_"


def _installed() -> Iterator[DiscoveredPlugin]:
    for entry in importlib.metadata.entry_points(group="kce"):
        metadata = metadata_fields(entry.dist) if entry.dist else {}
        has_version = {"name", "version"} <= metadata.keys()
        source = f"{metadata['name']} {metadata['version']}" if has_version else entry.value
        yield DiscoveredPlugin(entry.name, source, entry.load, partial(_installed_code, entry.module), metadata)


def _installed_code(module: str) -> Path | None:
    """The file of an installed module. The packages around it are not imported, since that may be what fails."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(spec.origin) if spec and spec.origin else None
    paths = [Path(location, *inner) for location in spec.submodule_search_locations or ()]
    files = [file for path in paths for file in (path.with_name(f"{path.name}.py"), path / "__init__.py")]
    return next((file for file in files if file.is_file()), None)
