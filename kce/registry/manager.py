"""Imports plugins when they are needed, and asks them what they offer.

A plugin that cannot be used is remembered with the reason; the error is raised only to whoever asks for that plugin.
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
    """The plugins that a folder can use, by name; each is imported when something of it is first needed.

    Args:
        folder: The folder of the user's ``registry.toml``, if there is one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._plugins = discover_plugins(folder)
        self._offers: dict[str, dict[str, Factories] | BrokenPlugin] = {}
        self._declared_api: dict[str, object] = {}
        self._manager = pluggy.PluginManager("kce")
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("KCE_TRACE") == "1":
            _trace(self._manager)

    def names(self) -> list[str]:
        """List all plugins, those whose names clash too, built-in ones first."""
        return list(self._plugins)

    def third_party(self) -> list[str]:
        """List the plugins that are not built in."""
        return [name for name, plugin in self._plugins.items() if plugin.source != "built-in"]

    def source(self, name: str) -> str:
        """Return "built-in", "NAME VERSION" of an installed package, or a file; empty if there is no such plugin."""
        return self._plugins[name].source if name in self._plugins else ""

    def metadata(self, name: str) -> Mapping[str, str]:
        """Return the metadata of the plugin's package; see ``kce.registry.discovery.DiscoveredPlugin``."""
        return self._plugins[name].metadata

    def api(self, name: str) -> str:
        """Return the version of the plugin API that a plugin says it was written for; empty if it says none."""
        with contextlib.suppress(BrokenPlugin):
            self.offers(name)
        declared = self._declared_api.get(name)
        return "" if declared is None else str(declared)

    def offers(self, name: str) -> dict[str, Factories]:
        """Return what a plugin offers: kind -> {component name: factory}.

        Raises:
            UnknownName: There is no such plugin.
            BrokenPlugin: The plugin cannot be used; each time with the same reason.
        """
        if name not in self._plugins:
            raise UnknownName.among("plugin", name, self._plugins)
        if name not in self._offers:
            try:
                self._offers[name] = self._ask(self._plugins[name])
            except BrokenPlugin as broken:
                self._offers[name] = broken
        offers = self._offers[name]
        if isinstance(offers, BrokenPlugin):
            raise offers
        return offers

    def _ask(self, plugin: DiscoveredPlugin) -> dict[str, Factories]:
        def broken(check: str, reason: str) -> BrokenPlugin:
            message = f"plugin {plugin.name!r} ({plugin.source}) cannot be used: {reason}"
            return BrokenPlugin(check, message, _HINTS.get(check, "fix or remove the plugin"))

        if plugin.clash:
            raise broken("names", plugin.clash)
        try:
            # What a plugin prints while it is imported must not end up in our JSON.
            with contextlib.redirect_stdout(sys.stderr):
                module = plugin.load()
        except (Exception, SystemExit) as error:
            # A plugin written for another KCE may import names that this one does not have.
            if reason := self._wrong_api(plugin.name, plugin.declared_api()):
                raise broken("api", reason) from error
            raise broken("imports", f"importing it fails with {type(error).__name__}: {error}") from error
        if not isinstance(module, ModuleType):
            raise broken("imports", f"its entry point names {module!r:.80}, which is not a module")
        # Not getattr: a module with a __getattr__ of its own has every name.
        names = vars(module)
        if reason := self._wrong_api(plugin.name, names.get("KCE_API")):
            raise broken("api", reason)
        for name, value in names.items():
            if name.startswith("kce_") and name not in _HOOKS and callable(value):
                raise broken("hooks", UnknownName.among("hook", name, _HOOKS).message)
        hooks = _Hooks(**{hook: names[hook] for hook in _HOOKS if hook in names})
        try:
            self._manager.register(hooks, plugin.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise broken("hooks", str(error)) from error
        try:  # one plugin is registered at a time, so that each hook is answered by this one alone
            callers = {caller.name for caller in self._manager.get_hookcallers(hooks) or ()}
            return {kind: self._call(kind, broken) for kind in KINDS if f"kce_{kind}s" in callers}
        finally:
            self._manager.unregister(hooks)

    def _wrong_api(self, name: str, declared: object) -> str:
        self._declared_api[name] = declared
        return "" if declared is None else _api_mismatch(declared)

    def _call(self, kind: str, broken: Callable[[str, str], BrokenPlugin]) -> Factories:
        try:
            results = getattr(self._manager.hook, f"kce_{kind}s")()
        except (Exception, SystemExit) as error:
            raise broken("hooks", f"kce_{kind}s() fails with {type(error).__name__}: {error}") from error
        factories = results[0] if results else None
        if not isinstance(factories, dict) or not all(isinstance(n, str) and callable(f) for n, f in factories.items()):
            raise broken("hooks", f"kce_{kind}s() must return a dict of name -> factory, not {factories!r:.80}")
        for name in factories:
            if not name or set(name) & set(":,") or not name.isprintable():
                raise broken(
                    "names", f"it offers a {kind} named {name!r}: a name must be printable, without ':' and ','"
                )
        return factories


class _Hooks:
    """The hooks of a module and nothing else: pluggy looks at every name in `dir`, 50 ms for 200 modules."""

    def __init__(self, **hooks: Any) -> None:
        vars(self).update(hooks)

    def __dir__(self) -> list[str]:
        return list(vars(self))


def _api_mismatch(declared: object) -> str:
    """Say what is wrong with the plugin API version that a plugin was written for; empty if it can be used."""
    major, _, minor = declared.partition(".") if isinstance(declared, str) else ("", "", "")
    if not (major.isdecimal() and minor.isdecimal()):
        return f'its KCE_API is {declared!r}, which is not a version like "{API}"'
    own_major = API.partition(".")[0]
    if major == own_major:
        return ""
    newer = "a newer" if int(major) > int(own_major) else "an older"
    return f"it was written for {newer} version of the plugin API, {declared}; this KCE has {API}"


_HINTS = {
    "api": "install a KCE of that version, or another version of the plugin",
    "names": "rename it, or remove it",
}
_HOOKS = [f"kce_{kind}s" for kind in KINDS]


def _trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call, the plugin that answers it and the result (``KCE_TRACE=1``)."""

    def before(hook: str, implementations: Any, arguments: Any) -> None:
        for implementation in implementations:
            print(f"kce: {hook}({arguments or ''}) -> {implementation.plugin_name}", file=sys.stderr)  # noqa: T201

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        for result in outcome.get_result() if outcome.exception is None else []:
            print(f"kce: {hook} = {result!r:.200}", file=sys.stderr)  # noqa: T201

    manager.add_hookcall_monitoring(before, after)
