"""Finds plugins without importing anything.

There are three sources: the built-in plugins, the entry-point group ``kce`` of installed packages, and a ``plugins/``
folder beside the user's ``registry.toml``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from kce.errors import BadData
from kce.hookspecs import KINDS
from kce.registry.package_metadata import (
    EntryPoint,
    entry_points,
    installed_packages,
    metadata_fields,
    normalised_name,
)
from kce.system.regular import read_regular, require_regular
from kce.system.shipped import BUILT_IN
from kce.system.text import printable

_ENOUGH = 65_536  # bytes of a file that are read to see what it is about
_KIND_FOLDERS = frozenset(f"{kind}s" for kind in KINDS)


@dataclass(frozen=True)
class DiscoveredPlugin:
    """A plugin that was found.

    Attributes:
        name: Its name.
        source: "built-in", "NAME VERSION" of an installed package, or the plugin's file.
        path: Its file or the folder of its package; empty for an installed one.
        entry: The entry point of an installed one.
        metadata: The fields of its package's metadata by their lower-case names; empty for a file.
        problem: Why it cannot be used, as far as that is known without importing it; empty if it can.
    """

    name: str
    source: str
    path: str = ""
    entry: EntryPoint | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def built_in(self) -> bool:
        """Whether it comes with KCE."""
        return self.source == "built-in"

    def load(self) -> object:
        """Import the plugin; returns a module, if the entry point names one."""
        if self.entry is None:
            return _load(Path(self.path), built_in=self.built_in)
        loaded: object = importlib.import_module(self.entry.module)
        for attribute in filter(None, self.entry.attribute.split(".")):
            loaded = getattr(loaded, attribute)
        return loaded

    def file(self) -> Path | None:
        """Return the file with its code without running it; None if there is none."""
        return _code(Path(self.path)) if self.entry is None else _installed_code(self.entry.module)

    def declared_api(self) -> object:
        """Read ``KCE_API`` from its code without running it; None if it is not there or not a constant."""
        try:
            file = self.file()
            code = ast.parse(read_regular(file)) if file else ast.Module([], [])
        except (OSError, SyntaxError, ValueError, ImportError, RecursionError, MemoryError, BadData):
            return None
        for line in code.body:
            if not isinstance(line, ast.Assign | ast.AnnAssign) or not isinstance(line.value, ast.Constant):
                continue
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            if any(isinstance(target, ast.Name) and target.id == "KCE_API" for target in targets):
                return line.value.value
        return None


def discover_plugins(folder: Path | None) -> tuple[dict[str, DiscoveredPlugin], list[str]]:
    """Find every plugin, built-in ones first.

    A built-in plugin keeps its name whatever else is found; third-party plugins with the same name all lose it.

    Args:
        folder: The folder of the user's ``registry.toml``, if there is one.

    Returns:
        The plugins by name; of two with the same name, the second is "NAME (SOURCE)", and `problem` says why. And a
        sentence for each installed package that is left out because it is there twice, or half removed.
    """
    notes: list[str] = []
    plugins = {plugin.name: plugin for plugin in _in_folder(BUILT_IN, "built-in")}
    for plugin in (*_installed(notes), *(_in_folder(folder / "plugins", "") if folder is not None else ())):
        first = plugins.get(plugin.name)
        if first is None:
            plugins[plugin.name] = plugin
            continue
        problem = f"its name {plugin.name!r} is already used by a built-in plugin"
        if not first.built_in:
            problem = f"two plugins are named {plugin.name!r}: {first.source} and {plugin.source}"
            plugins[plugin.name] = replace(first, problem=first.problem or problem)
        plugins[f"{plugin.name} ({plugin.source})"] = replace(plugin, problem=plugin.problem or problem)
    return plugins, notes


def unread_folders(folder: Path, registry: Path | None) -> list[str]:
    """Say which folders ``plugins/`` with plugins of KCE are not read, since no ``registry.toml`` is beside them.

    Args:
        folder: The folder that is looked at, with those above it.
        registry: The user's ``registry.toml``, above which nothing is looked for; None = up to the root.
    """
    notes = []
    folder = folder.resolve()
    for above in (folder, *folder.parents):
        if registry is not None and above == registry.parent:
            break
        if not os.path.lexists(above / "registry.toml") and any(map(_is_ours, _in_folder(above / "plugins", ""))):
            notes.append(f"{above / 'plugins'} is not read: put a registry.toml beside it, which may be empty")
    return notes


def _is_ours(plugin: DiscoveredPlugin) -> bool:
    """Whether a file is about KCE: many a project has a folder of that name."""
    try:
        file = plugin.file()
        return file is not None and b"kce" in read_regular(file)[:_ENOUGH]
    except (OSError, BadData, ValueError):
        return False


def _in_folder(folder: Path, source: str) -> list[DiscoveredPlugin]:
    """The modules and packages of a folder and of its folders by kind (``datasets/``, ``clusterers/`` ...).

    `source` is that of all of them; empty = the path of each.
    """
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [DiscoveredPlugin(folder.name, str(folder), str(folder), problem=f"the folder cannot be read: {error}")]
    plugins = []
    for path in paths:
        if path.name.startswith(("_", ".")):
            continue
        if _is_file(path / "__init__.py") or path.suffix == ".py":
            problem = _problem(path)
            plugins.append(
                DiscoveredPlugin(printable(path.stem), source or printable(str(path)), str(path), problem=problem)
            )
        elif path.name in _KIND_FOLDERS and folder.name not in _KIND_FOLDERS:  # a link may lead round in a circle
            plugins += _in_folder(path, source)
    return plugins


def _problem(path: Path) -> str:
    """Why this cannot be a plugin. A link to a file is fine: that is how people try out what they develop elsewhere."""
    if printable(str(path)) != str(path):
        return "its path is not valid UTF-8"
    return "" if _is_file(_code(path)) else "it is not a regular file"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a folder that we may not look into
        return False


def _code(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path


def _load(path: Path, *, built_in: bool) -> ModuleType:
    require_regular(_code(path))
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
        sys.modules.pop(name, None)
        raise
    return module


def _folder_id(folder: Path) -> str:
    """Part of a module's name, since two folders may hold a file of the same name."""
    from hashlib import sha256

    return f"{sha256(str(folder.resolve()).encode()).hexdigest()[:8]}_"


def _installed(notes: list[str]) -> Iterator[DiscoveredPlugin]:
    seen: dict[str, str] = {}  # name of a package -> its folder
    for package in installed_packages():
        entries = list(entry_points(package.distribution, "kce"))
        if package.leftover:
            if entries:
                notes.append(f"{package.folder} is what an interrupted installation left, and is ignored: remove it")
            continue
        metadata = metadata_fields(package.distribution) if entries else {}
        name = package.name or normalised_name(metadata.get("name", package.folder))
        if (first := seen.setdefault(name, package.folder)) is not package.folder:  # Python imports from the first
            if entries and os.path.realpath(first) != os.path.realpath(package.folder):
                notes.append(f"{name} is installed twice: {first} is used, and {package.folder} is ignored")
            continue
        label = " ".join(filter(None, [metadata.get("name", name), metadata.get("version")]))
        for entry in entries:
            if isinstance(entry, BadData):
                yield DiscoveredPlugin(f"entry points of {name}", label, metadata=metadata, problem=entry.message)
            else:
                yield DiscoveredPlugin(entry.name, label, entry=entry, metadata=metadata)


def _installed_code(module: str) -> Path | None:
    """The file of an installed module. The packages around it are not imported, since that may be what fails."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(spec.origin) if spec and spec.origin else None
    paths = [Path(location, *inner) for location in spec.submodule_search_locations or ()]
    files = [file for path in paths for file in (path.with_name(f"{path.name}.py"), path / "__init__.py")]
    return next((file for file in files if file.is_file()), None)
