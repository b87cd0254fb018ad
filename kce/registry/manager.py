"""Imports a plugin when it is needed, and asks it what it offers.

A plugin that cannot be used is remembered with the reason; the error is raised to whoever asks for that plugin, and to
nobody else.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from kce import hookspecs
from kce.errors import BrokenPlugin, UnknownName
from kce.hookspecs import API, KINDS, Factories
from kce.registry.discovery import DiscoveredPlugin, discover_plugins


class Plugins:
    """Every plugin in reach, by name; each is imported the first time something of it is asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._found = discover_plugins(folder)
        self._offers: dict[str, dict[str, Factories] | BrokenPlugin] = {}
        self._declared: dict[str, object] = {}
        self._manager = pluggy.PluginManager("kce")
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("KCE_TRACE") == "1":
            _trace(self._manager)

    def names(self) -> list[str]:
        """All plugins, found or clashing, built-in ones first."""
        return list(self._found)

    def third_party(self) -> list[str]:
        """The plugins that are not built in."""
        return [name for name, found in self._found.items() if found.source != "built-in"]

    def source(self, name: str) -> str:
        """Where a plugin was found: "built-in", "NAME VERSION" of an installed package, or its file."""
        return self._found[name].source if name in self._found else ""

    def head(self, name: str) -> Mapping[str, str]:
        """What the metadata of its package say of a plugin: see ``kce.registry.discovery.DiscoveredPlugin``."""
        return self._found[name].head

    def api(self, name: str) -> str:
        """The version of the plugin API that a plugin says it was written for; nothing if it says nothing."""
        with contextlib.suppress(BrokenPlugin):
            self.offers(name)
        said = self._declared.get(name)
        return "" if said is None else str(said)

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

    def _ask(self, found: DiscoveredPlugin) -> dict[str, Factories]:
        def broken(check: str, reason: str) -> BrokenPlugin:
            return BrokenPlugin(
                check,
                f"plugin {found.name!r} ({found.source}) cannot be used: {reason}",
                "install a KCE of that version, or another version of the plugin"
                if check == "api"
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
            if wrong := self._wrong_version(found.name, found.declared()):
                raise broken("api", wrong) from error
            raise broken("imports", f"importing it fails with {type(error).__name__}: {error}") from error
        if not isinstance(module, ModuleType):
            raise broken("imports", f"its entry point names {module!r:.80}, which is no module")
        # Not getattr: a module with a __getattr__ of its own has whatever it is asked for.
        names = vars(module)
        if wrong := self._wrong_version(found.name, names.get("KCE_API")):
            raise broken("api", wrong)
        for name, value in names.items():
            if name.startswith("kce_") and name not in _HOOKS and callable(value):
                raise broken("hooks", UnknownName.among("hook", name, _HOOKS).message)
        plugin = _Hooks(**{hook: names[hook] for hook in _HOOKS if hook in names})
        try:
            self._manager.register(plugin, found.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise broken("hooks", str(error)) from error
        try:  # it is asked alone, and so nobody but it is ever registered
            hooks = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
            return {kind: self._call(kind, broken) for kind in KINDS if f"kce_{kind}s" in hooks}
        finally:
            self._manager.unregister(plugin)

    def _wrong_version(self, name: str, declared: object) -> str:
        self._declared[name] = declared
        return "" if declared is None else wrong_version(declared)

    def _call(self, kind: str, broken: Callable[[str, str], BrokenPlugin]) -> Factories:
        try:
            answers = getattr(self._manager.hook, f"kce_{kind}s")()
        except (Exception, SystemExit) as error:
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


def _trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call, who answered and what (``KCE_TRACE=1``)."""

    def before(hook: str, implementations: Any, arguments: Any) -> None:
        for implementation in implementations:
            print(f"kce: {hook}({arguments or ''}) -> {implementation.plugin_name}", file=sys.stderr)  # noqa: T201

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        for answer in outcome.get_result() if outcome.exception is None else []:
            print(f"kce: {hook} = {answer!r:.200}", file=sys.stderr)  # noqa: T201

    manager.add_hookcall_monitoring(before, after)
