"""Knows what plugins offer, and imports one when it is needed.

A plugin that cannot be used is remembered with the reason; the error is raised only to whoever asks for that plugin.
Those of others are looked at in another process before anything of them is imported here.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BrokenPlugin, UnknownName
from kce.hookspecs import API, Factories
from kce.registry.asking import ask_plugin, broken_plugin, hook_manager
from kce.registry.discovery import discover_plugins
from kce.registry.libraries import is_library, library_source

if TYPE_CHECKING:
    import pluggy

    from kce.registry.discovery import DiscoveredPlugin
    from kce.registry.plugin_report import ComponentReport, PluginReport

_asking = threading.RLock()
"""Held while a plugin is imported: the streams of the process are redirected meanwhile, and two threads would mix them
up."""


class Plugins:
    """The plugins that a folder can use, by name; each is imported when something of it is first needed.

    Args:
        folder: The folder of the user's ``registry.toml``, if there is one.

    Attributes:
        notes: A sentence for each installed package that is left out, because it is there twice or half removed; and
            for each folder ``plugins/`` that is not read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._plugins, self.notes = discover_plugins(folder)
        self._factories: dict[str, dict[str, Factories] | BrokenPlugin] = {}
        self._reports: dict[str, PluginReport] = {}
        self._asked: set[str] = set()
        self._manager = hook_manager()
        if os.environ.get("KCE_TRACE") == "1":
            _trace(self._manager)

    def names(self) -> list[str]:
        """List all plugins, those whose names clash too, built-in ones first."""
        return list(self._plugins)

    def third_party(self) -> list[str]:
        """List the plugins that are not built in."""
        return [name for name, plugin in self._plugins.items() if not plugin.built_in]

    def source(self, name: str) -> str:
        """Return "built-in", "NAME VERSION" of an installed package, or a file; empty if there is no such plugin.

        Of a module of a library, which a ``registry.toml`` may name too, that of the library.
        """
        if name in self._plugins:
            return self._plugins[name].source
        return library_source(name) if self.is_library(name) else ""

    def is_library(self, name: str) -> bool:
        """Return whether a name is that of a module of a library, and of no plugin."""
        return {name, name.partition(".")[0]}.isdisjoint(self._plugins) and is_library(name)

    def metadata(self, name: str) -> Mapping[str, str]:
        """Return the metadata of the plugin's package; see ``kce.registry.discovery.DiscoveredPlugin``."""
        return self._plugins[name].metadata

    def api(self, name: str) -> str:
        """Return the version of the plugin API that a plugin says it was written for; empty if it says none."""
        return API if self._plugins[name].built_in else self._report(name).api

    def look_at_all(self) -> None:
        """Look at every plugin of others that was not looked at yet: one process for all is quicker than one for each.

        Raises:
            MachineFault: The process cannot be started.
        """
        self._look_at([name for name in self.third_party() if name not in self._reports])

    def broken(self) -> list[BrokenPlugin]:
        """List the errors about plugins of others that cannot be used."""
        self.look_at_all()
        return [self._error(name) for name in self.third_party() if self._reports[name].check]

    def offered(self, name: str) -> dict[str, list[str]]:
        """Return the names that a plugin offers, by kind. A plugin of others is looked at, but not imported here.

        Raises:
            UnknownName: There is no such plugin.
            BrokenPlugin: The plugin cannot be used; each time with the same reason.
        """
        if name in self._plugins and self._plugins[name].built_in:
            return {kind: list(factories) for kind, factories in self.offers(name).items()}
        return {kind: list(components) for kind, components in self._usable_report(name).offers.items()}

    def component(self, name: str, kind: str, factory: str) -> ComponentReport:
        """Return what is known of a component that a plugin of others offers; raises as ``offered`` does."""
        return self._usable_report(name).offers[kind][factory]

    def offers(self, name: str) -> dict[str, Factories]:
        """Import a plugin and return what it offers: kind -> {component name: factory}.

        Raises:
            UnknownName: There is no such plugin.
            BrokenPlugin: The plugin cannot be used; each time with the same reason.
            MachineFault: It is of others, and the process that looks at it cannot be started.
        """
        if name not in self._plugins:
            raise UnknownName.among("plugin", name, self._plugins)
        plugin = self._plugins[name]
        if not plugin.built_in:
            self._usable_report(name, asked=True)  # what crashes or hangs there must not do so here
        if name not in self._factories:
            try:
                self._factories[name], _ = self._ask(plugin)
            except BrokenPlugin as broken:
                self._factories[name] = broken
        factories = self._factories[name]
        if isinstance(factories, BrokenPlugin):
            raise factories
        return factories

    def _ask(self, plugin: DiscoveredPlugin) -> tuple[dict[str, Factories], str]:
        with _asking:
            if plugin.built_in:
                return ask_plugin(plugin, self._manager)
            from kce.registry.side_effects import preserved_process

            with preserved_process():
                return ask_plugin(plugin, self._manager)

    def _report(self, name: str) -> PluginReport:
        if name not in self._plugins:
            raise UnknownName.among("plugin", name, self._plugins)
        if name not in self._reports:
            self._look_at([name])
        return self._reports[name]

    def _usable_report(self, name: str, *, asked: bool = False) -> PluginReport:
        report = self._reports.get(name)
        if asked and name in self._plugins and name not in self._asked and (report is None or report.check):
            self._asked.add(name)  # once more, as what was wrong may have passed, and with more time
            self._look_at([name], asked=True)
        report = self._report(name)
        if report.check:
            raise self._error(name)
        return report

    def _error(self, name: str) -> BrokenPlugin:
        report = self._reports[name]
        return broken_plugin(self._plugins[name], report.check, report.reason)

    def _look_at(self, names: list[str], *, asked: bool = False) -> None:
        if names:
            from kce.registry.inspection import look_at_plugins

            self._reports |= look_at_plugins({name: self._plugins[name] for name in names}, asked=asked)


def _trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call, the plugin that answers it and the result (``KCE_TRACE=1``)."""

    def before(hook: str, implementations: Any, arguments: Any) -> None:
        for implementation in implementations:
            print(f"kce: {hook}({arguments or ''}) -> {implementation.plugin_name}", file=sys.stderr)  # noqa: T201

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        for result in outcome.get_result() if outcome.exception is None else []:
            print(f"kce: {hook} = {result!r:.200}", file=sys.stderr)  # noqa: T201

    manager.add_hookcall_monitoring(before, after)
