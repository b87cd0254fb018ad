"""Finds plugins by name, and imports one when it is needed.

Three places are looked at: the built-in plugins, the entry-point group ``kce`` of installed packages, and a
``plugins/`` folder beside the user's ``registry.toml``. Finding reads names and imports nothing. A plugin that cannot
be used is remembered with the reason; the error is raised to whoever asks for that plugin, and to nobody else.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from kce import hookspecs
from kce.errors import BrokenPlugin, UnknownName
from kce.hookspecs import API, KINDS, Factories

HERE = Path(__file__).resolve().parent
BUILT_IN = HERE / "builtin" if (HERE / "builtin").is_dir() else HERE.parent / "plugins"
"""The built-in plugins: inside the package in a wheel, beside it in a checkout."""


@dataclass(frozen=True)
class Found:
    """A plugin that is there: its name, where from, and how to import it. `clash` says why its name is not its own.

    file  tells where its code lies without running it
    """

    name: str
    source: str
    load: Callable[[], ModuleType]
    file: Callable[[], Path | None]
    clash: str = ""

    def declared(self) -> object:
        """The version of the plugin API its code says it was written for, read without running it; None if none."""
        try:
            file = self.file()
            code = ast.parse(file.read_bytes()) if file else ast.Module([], [])
        except (OSError, SyntaxError, ValueError, ImportError):
            return None
        said = [
            line.value.value
            for line in code.body
            if isinstance(line, ast.Assign)
            and isinstance(line.value, ast.Constant)
            and any(isinstance(target, ast.Name) and target.id == "KCE_API" for target in line.targets)
        ]
        return said[0] if said else None


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

    def api(self, name: str) -> str:
        """The version of the plugin API that a plugin says it was written for; nothing if it says nothing."""
        said = self._found[name].declared() if name in self._found else None
        return said if isinstance(said, str) else ""

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
        def broken(promise: str, reason: str) -> BrokenPlugin:
            return BrokenPlugin(
                promise,
                f"plugin {found.name!r} ({found.source}) cannot be used: {reason}",
                "install a KCE of that version, or another version of the plugin"
                if promise == "api"
                else "`kce list` shows what works; mend or remove this plugin, or choose another component",
            )

        if found.clash:
            raise broken("names", found.clash)
        try:
            # What a plugin prints while it is imported must not end up in our JSON.
            with contextlib.redirect_stdout(sys.stderr):
                module = found.load()
        except (Exception, SystemExit) as error:
            # One that was written for another KCE may ask this one for names it does not have.
            if wrong := wrong_version(found.declared() or API):
                raise broken("api", wrong) from error
            raise broken("imports", f"importing it fails with {type(error).__name__}: {error}") from error
        if wrong := wrong_version(getattr(module, "KCE_API", API)):
            raise broken("api", wrong)
        for attribute in vars(module):
            if attribute.startswith("kce_") and attribute not in _HOOKS and callable(getattr(module, attribute)):
                raise broken("hooks", UnknownName.among("hook", attribute, _HOOKS).message)
        plugin = _Hooks(**{hook: getattr(module, hook) for hook in _HOOKS if hasattr(module, hook)})
        try:
            self._manager.register(plugin, found.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise broken("hooks", str(error)) from error
        try:  # it is asked alone, and so nobody but it is ever registered
            hooks = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
            return {kind: self._call(kind, broken) for kind in KINDS if f"kce_{kind}s" in hooks}
        finally:
            self._manager.unregister(plugin)

    def _call(self, kind: str, broken: Callable[[str, str], BrokenPlugin]) -> Factories:
        try:
            answers = getattr(self._manager.hook, f"kce_{kind}s")()
        except Exception as error:
            raise broken("hooks", f"kce_{kind}s() fails with {type(error).__name__}: {error}") from error
        factories = answers[0] if answers else None
        if not isinstance(factories, dict) or not all(isinstance(n, str) and callable(f) for n, f in factories.items()):
            raise broken("hooks", f"kce_{kind}s() must return a dict of name -> factory, not {factories!r:.80}")
        for name in factories:
            if not name or set(name) & set(":,") or not name.isprintable():
                raise broken("names", f"it offers a {kind} named {name!r}: a name has no ':' and no ','")
        return factories


class _Hooks:
    """The hooks of a module and nothing else of it: pluggy looks at all that `dir` names, of 200 modules for 50 ms."""

    def __init__(self, **hooks: Any) -> None:
        vars(self).update(hooks)

    def __dir__(self) -> list[str]:
        return list(vars(self))


def wrong_version(declared: object) -> str:
    """What is wrong with the version of the plugin API that a plugin was written for; nothing = it can be used."""
    major, _, minor = declared.partition(".") if isinstance(declared, str) else ("", "", "")
    if not (major.isdecimal() and minor.isdecimal()):
        return f'its KCE_API is {declared!r}, and not a version like "{API}"'
    ours = API.partition(".")[0]
    if major == ours:
        return ""
    newer = "a newer" if int(major) > int(ours) else "an older"
    return f"it was written for {newer} version of the plugin API, {declared}; this KCE has {API}"


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
            settled[f"{found.name} ({found.source})"] = replace(found, clash=clash)
        else:
            both = f"two plugins are named {found.name!r}: {holder.source} and {found.source}"
            settled[found.name] = replace(holder, clash=both)
    return settled


def _in_user_folder(folder: Path | None) -> list[Found]:
    return _in_folder(folder / "plugins", "") if folder is not None else []


def _in_folder(folder: Path, source: str) -> list[Found]:
    """The modules and packages of a folder. `source` is what to call them; empty = each by its own path."""
    if not folder.is_dir():
        return []
    return [
        Found(path.stem, source or str(path), _loader(path, own=source == "built-in"), partial(_code, path))
        for path in sorted(folder.iterdir())
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or (path / "__init__.py").is_file())
    ]


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


def _installed() -> Iterator[Found]:
    for entry in importlib.metadata.entry_points(group="kce"):
        source = _distribution(entry.dist) if entry.dist else entry.value
        yield Found(entry.name, source, entry.load, partial(_installed_code, entry.value))


def _distribution(found: importlib.metadata.Distribution) -> str:
    """Its name and version, from the head of its metadata: of 200 packages to parse it all takes 60 ms."""
    head = dict(
        line.split(": ", 1)
        for line in (found.read_text("METADATA") or "").split("\n\n")[0].splitlines()
        if ": " in line
    )
    return (
        f"{head['Name']} {head['Version']}" if {"Name", "Version"} <= head.keys() else f"{found.name} {found.version}"
    )


def _installed_code(value: str) -> Path | None:
    module = value.partition(":")[0]
    if "." in module:  # to find a module in a package would run the package
        return None
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


def _trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call, who answered and what (``KCE_TRACE=1``)."""

    def before(hook: str, implementations: Any, arguments: Any) -> None:
        for implementation in implementations:
            print(f"kce: {hook}({arguments or ''}) -> {implementation.plugin_name}", file=sys.stderr)  # noqa: T201

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        for answer in outcome.get_result() if outcome.exception is None else []:
            print(f"kce: {hook} = {answer!r:.200}", file=sys.stderr)  # noqa: T201

    manager.add_hookcall_monitoring(before, after)
