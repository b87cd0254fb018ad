"""Finds plugins by name, and imports one when it is needed.

Three places are looked at: the built-in plugins, the entry-point group ``kce`` of installed packages, and a
``plugins/`` folder beside the user's ``registry.toml``. Finding reads names and imports nothing. A plugin that cannot
be used is remembered with the reason; the error is raised to whoever asks for that plugin, and to nobody else.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from kce import hookspecs
from kce.errors import BrokenPlugin, UnknownName
from kce.hookspecs import KINDS, Factories

HERE = Path(__file__).resolve().parent
BUILT_IN = HERE / "builtin" if (HERE / "builtin").is_dir() else HERE.parent / "plugins"
"""The built-in plugins: inside the package in a wheel, beside it in a checkout."""


@dataclass(frozen=True)
class Found:
    """A plugin that is there: its name, where from, and how to import it. `clash` says why its name is not its own."""

    name: str
    source: str
    load: Callable[[], ModuleType]
    clash: str = ""


class Plugins:
    """Every plugin in reach, by name; each is imported the first time something of it is asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._found = _settle(_in_folder(BUILT_IN, "built-in"), [*_installed(), *_in_user_folder(folder)])
        self._offers: dict[str, dict[str, Factories] | BrokenPlugin] = {}
        self._manager = pluggy.PluginManager("kce")
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("KCE_TRACE") == "1":
            _trace(self._manager)

    def names(self) -> list[str]:
        """All plugins, found or clashing, built-in ones first."""
        return list(self._found)

    def outsiders(self) -> list[str]:
        """The plugins that are not built in."""
        return [name for name, found in self._found.items() if found.source != "built-in"]

    def source(self, name: str) -> str:
        """Where a plugin was found: "built-in", "NAME VERSION" of an installed package, or its file."""
        return self._found[name].source if name in self._found else ""

    def offers(self, name: str) -> dict[str, Factories]:
        """kind -> {component name: factory} of one plugin. Raises BrokenPlugin, each time with the same reason."""
        if name not in self._found:
            raise UnknownName.among("plugin", name, self._found)
        if name not in self._offers:
            try:
                self._offers[name] = self._ask(self._found[name])
            except BrokenPlugin as broken:
                self._offers[name] = broken
        offers = self._offers[name]
        if isinstance(offers, BrokenPlugin):
            raise offers
        return offers

    def _ask(self, found: Found) -> dict[str, Factories]:
        def broken(reason: str) -> BrokenPlugin:
            return BrokenPlugin(
                f"plugin {found.name!r} ({found.source}) cannot be used: {reason}",
                "`kce list` shows what works; mend or remove this plugin, or choose another component",
            )

        if found.clash:
            raise broken(found.clash)
        try:
            # What a plugin prints while it is imported must not end up in our JSON.
            with contextlib.redirect_stdout(sys.stderr):
                module = found.load()
        except (Exception, SystemExit) as error:
            raise broken(f"importing it fails with {type(error).__name__}: {error}") from error
        for attribute in vars(module):
            if attribute.startswith("kce_") and f"{attribute}" not in _HOOKS and callable(getattr(module, attribute)):
                raise broken(str(UnknownName.among("hook", attribute, _HOOKS)))
        try:
            self._manager.register(module, found.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise broken(str(error)) from error
        return {kind: self._call(kind, module, broken) for kind in KINDS if self._implements(kind, module)}

    def _implements(self, kind: str, module: ModuleType) -> bool:
        caller = getattr(self._manager.hook, f"kce_{kind}s")
        return any(implementation.plugin is module for implementation in caller.get_hookimpls())

    def _call(self, kind: str, module: ModuleType, broken: Callable[[str], BrokenPlugin]) -> Factories:
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        hook = self._manager.subset_hook_caller(f"kce_{kind}s", remove_plugins=others)
        try:
            answers = hook()
        except Exception as error:
            raise broken(f"kce_{kind}s() fails with {type(error).__name__}: {error}") from error
        factories = answers[0] if answers else None
        if not isinstance(factories, dict) or not all(isinstance(n, str) and callable(f) for n, f in factories.items()):
            raise broken(f"kce_{kind}s() must return a dict of name -> factory, not {factories!r:.80}")
        return factories


_HOOKS = [f"kce_{kind}s" for kind in KINDS]


def _settle(built_in: list[Found], outsiders: list[Found]) -> dict[str, Found]:
    """One plugin per name. A built-in keeps its name whatever comes; outsiders of one name all lose it."""
    settled = {found.name: found for found in built_in}
    for found in outsiders:
        holder = settled.get(found.name)
        if holder is None:
            settled[found.name] = found
            continue
        clash = f"its name {found.name!r} is already used by {holder.source}"
        if holder.source == "built-in":
            settled[f"{found.name} ({found.source})"] = Found(found.name, found.source, found.load, clash)
        else:
            both = f"two plugins are named {found.name!r}: {holder.source} and {found.source}"
            settled[found.name] = Found(found.name, holder.source, holder.load, both)
    return settled


def _in_user_folder(folder: Path | None) -> list[Found]:
    return _in_folder(folder / "plugins", "") if folder is not None else []


def _in_folder(folder: Path, source: str) -> list[Found]:
    """The modules and packages of a folder. `source` is what to call them; empty = each by its own path."""
    if not folder.is_dir():
        return []
    return [
        Found(path.stem, source or str(path), _loader(path, own=source == "built-in"))
        for path in sorted(folder.iterdir())
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or (path / "__init__.py").is_file())
    ]


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
            path / "__init__.py" if is_package else path,
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


def _installed() -> Iterator[Found]:
    for entry in importlib.metadata.entry_points(group="kce"):
        source = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        yield Found(entry.name, source, entry.load)


def _trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call, who answered and what (``KCE_TRACE=1``)."""

    def before(hook: str, implementations: Any, arguments: Any) -> None:
        for implementation in implementations:
            print(f"kce: {hook}({arguments or ''}) -> {implementation.plugin_name}", file=sys.stderr)  # noqa: T201

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        for answer in outcome.get_result() if outcome.exception is None else []:
            print(f"kce: {hook} = {answer!r:.200}", file=sys.stderr)  # noqa: T201

    manager.add_hookcall_monitoring(before, after)
