"""Reads ``registry.toml``, and builds a component by its name.

The shipped file names every built-in. The nearest ``registry.toml`` in or above the working folder adds to it and
overrides it. Plugins, in a ``plugins/`` folder or an installed package, need no entry in either file.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.estimators.base import Estimator
from kce.hookspecs import KINDS
from kce.registry.asking import describe_error
from kce.registry.discovery import unread_folders
from kce.registry.libraries import check_library, library_factory, missing_module, missing_requirement
from kce.registry.manager import Plugins
from kce.registry.plugin_report import ComponentReport, describe_factory
from kce.registry.registry_file import RegistryEntry, read_registry
from kce.registry.specs import bind_parameters, factory_signature, format_spec, parse_spec
from kce.system.shipped import REGISTRY

_MOST_BROKEN = 3  # plugins that the error about an unknown name mentions


@dataclass(frozen=True)
class ResolvedComponent:
    """A component that is ready to be built.

    Attributes:
        entry: What its name means.
        factory: The function or class to call.
        parameters: Every parameter the factory will get.
        built_in: Whether it comes with KCE.
    """

    entry: RegistryEntry
    factory: Callable[..., Any]
    parameters: Mapping[str, Any]
    built_in: bool = True

    @property
    def spec(self) -> str:
        """The whole configuration as on the command line: ``kmeans:n_clusters=19,n_init=10,seed=1``."""
        return format_spec(self.entry.name, self.parameters)

    def build(self) -> Any:
        """Call the factory.

        Raises:
            KCEError: The factory does not accept a parameter: it raised TypeError or ValueError. One of a third party
                raised anything.
        """
        try:
            component = self.factory(**self.parameters)
            if isinstance(component, Estimator):
                component.check_parameters()
            return component
        except (TypeError, ValueError) as error:
            reason = error.message if isinstance(error, KCEError) else error
            raise KCEError(
                f"{self.entry.kind} {self.spec!r} cannot be built: {reason}",
                f"`kce show {self.entry.kind} {self.entry.name}` lists its parameters",
            ) from error
        except (Exception, SystemExit) as error:
            if self.built_in or isinstance(error, KCEError | OSError):
                raise
            raise KCEError(
                f"{self.entry.kind} {self.spec!r} (plugin {self.entry.plugin}) cannot be built: "
                f"{describe_error(error)}",
                f"`kce check {self.entry.kind} {self.entry.name}` runs all its checks; tell its author",
            ) from error


class Registry:
    """The component names that a folder can use, and what they mean.

    Attributes:
        plugins: The plugins behind the names.
        folder: The folder it was loaded for.

    Example:
        >>> from kce import Registry
        >>> registry = Registry.load("/")
        >>> import numpy as np
        >>> x = np.array([[0.0], [0.1], [5.0], [5.1]], np.float32)
        >>> numbers = registry.build("clusterer", "kmeans:n_clusters=2").fit_predict(x)
        >>> bool(numbers[0] == numbers[1]), bool(numbers[0] == numbers[2])
        (True, False)
    """

    def __init__(self, entries: Mapping[tuple[str, str], RegistryEntry], plugins: Plugins, folder: Path) -> None:
        self._entries = dict(entries)
        self.plugins = plugins
        self.folder = folder

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Registry:
        """Load what ``kce list`` would show in a folder.

        Args:
            folder: The nearest ``registry.toml`` in or above it is used; the working folder if left out.

        Raises:
            KCEError: A ``registry.toml`` cannot be read.
        """
        here = Path(folder) if folder is not None else Path.cwd()
        user = nearest_registry(here)
        entries = read_registry(REGISTRY, {})
        if user is not None:
            entries = read_registry(user, entries)
        plugins = Plugins(user.parent if user is not None else None)
        plugins.notes += unread_folders(here, user)
        return cls(entries, plugins, here)

    @classmethod
    def shipped(cls) -> Registry:
        """Load the shipped registry without any file of the user; `folder` is where the shipped file is."""
        return cls.load(REGISTRY.parent)

    def __reduce__(self) -> tuple[Callable[[Path], Registry], tuple[Path]]:
        # Another process reads the same files again: only names travel between processes, never components.
        return type(self).load, (self.folder.absolute(),)

    def names(self, kind: str) -> list[str]:
        """List the names of a kind that can be built, sorted."""
        _check_kind(kind)
        named = {entry.name for entry in self._entries.values() if entry.kind == kind and entry.enabled}
        return sorted(named | {entry.name for entry in self._unregistered(kind)})

    def build(self, kind: str, spec: str, **parameters: Any) -> Any:
        """Build a component.

        Args:
            kind: One of ``kce.hookspecs.KINDS``.
            spec: ``NAME`` or ``NAME:key=value,key=value``.
            parameters: More parameters, which `spec` must not set too: root, seed ...

        Returns:
            What the component's factory returns.

        Raises:
            UnknownName: There is no such kind, name or parameter.
            BrokenPlugin: The plugin behind the name cannot be used.
            KCEError: A parameter is of the wrong type, missing, set twice or not accepted, or the name is disabled.
        """
        return self.resolve(kind, spec, **parameters).build()

    def build_with_defaults(self, kind: str, spec: str, **defaults: Any) -> Any:
        """Build a component with those of `defaults` that it takes and neither `spec` nor ``registry.toml`` sets.

        Raises:
            KCEError: As ``build``.
        """
        given = self.given(kind, spec)
        taken = {name: value for name, value in defaults.items() if self.takes(kind, spec, name) and name not in given}
        return self.build(kind, spec, **taken)

    def given(self, kind: str, spec: str) -> dict[str, Any]:
        """The parameters that `spec` or ``registry.toml`` sets."""
        name, parameters = parse_spec(spec)
        return {**self.component(kind, name).parameters, **parameters}

    def resolve(self, kind: str, spec: str, **parameters: Any) -> ResolvedComponent:
        """Check a whole spec as ``build`` does, parameters included, without building: errors come before any work."""
        name, given = parse_spec(spec)
        entry = self.entry(kind, name)
        factory = self._factory(entry)
        if twice := sorted(set(given) & set(parameters)):
            raise KCEError(f"{kind} {spec!r} must not set {twice[0]!r}: KCE sets it", f"leave {twice[0]} out")
        what = f"{kind} {entry.name!r}"
        merged = bind_parameters(what, factory, {**entry.parameters, **given, **parameters})
        return ResolvedComponent(entry, factory, merged, self._is_built_in(entry))

    def resolve_seeded(self, kind: str, spec: str, seed: int, **parameters: Any) -> ResolvedComponent:
        """Do the same as ``resolve``, and set the seed if the component has one that `spec` does not set."""
        if self.takes(kind, spec, "seed"):
            parameters["seed"] = seed
        return self.resolve(kind, spec, **parameters)

    def component(self, kind: str, name: str) -> ResolvedComponent:
        """Look a name, not a spec, up and import its factory; parameters are unchecked."""
        entry = self.entry(kind, name)
        return ResolvedComponent(entry, self._factory(entry), entry.parameters, self._is_built_in(entry))

    def describe(self, kind: str, name: str) -> tuple[RegistryEntry, ComponentReport]:
        """Look a name, not a spec, up and describe its factory; that of a plugin of others is not imported.

        Raises:
            UnknownName: There is no such kind or name.
            BrokenPlugin: It cannot be used.
        """
        entry = self.entry(kind, name)
        what = f"{kind} {entry.name!r}"
        self._check_offered(entry)
        if self._is_built_in(entry):
            report = describe_factory(what, self._factories(entry)[entry.factory])
        elif self.plugins.is_library(entry.plugin):
            report = describe_factory(what, self._factory(entry))
        else:
            report = self.plugins.component(entry.plugin, kind, entry.factory)
        if report.error:
            raise BrokenPlugin("signature", report.error)
        return entry, report

    def takes(self, kind: str, spec: str, parameter: str) -> bool:
        """Whether the component has this parameter and `spec` does not set it."""
        name, given = parse_spec(spec)
        factory = self._factory(self.entry(kind, name))
        return parameter not in given and parameter in factory_signature(f"{kind} {name!r}", factory).parameters

    def entry(self, kind: str, name: str) -> RegistryEntry:
        """Look a name up without importing its factory.

        Exact names come first, then aliases and other spellings, then what third parties offer.

        Raises:
            UnknownName: There is no such kind or name.
            BrokenPlugin: Several plugins offer the name.
            KCEError: The name is disabled.
        """
        _check_kind(kind)
        entry = self._entries.get((kind, name)) or self._by_alias(kind, name)
        if entry is None:
            offered = [e for e in self._unregistered(kind) if e.name == name]
            if len(offered) > 1:
                raise BrokenPlugin(
                    "names",
                    f"{kind} {name!r} is offered by several plugins: {', '.join(e.plugin for e in offered)}",
                    f'choose one in registry.toml: [{kind}.{name}] use = "{offered[0].plugin}:{name}"',
                )
            if not offered:
                raise self._unknown(kind, name)
            entry = offered[0]
        if not entry.enabled:
            raise KCEError(f"{kind} {name!r} is disabled in {entry.source}", "set `enabled = true` there to use it")
        return entry

    def _unknown(self, kind: str, name: str) -> UnknownName:
        """The error about a name that nothing has; what is inside plugins that are broken, nobody knows."""
        error = UnknownName.among(kind, name, self.names(kind), f"`kce list {kind}` shows all of them")
        if broken := self.plugins.broken():
            texts = [one.message for one in broken[:_MOST_BROKEN]]
            more = f"; and {len(broken) - _MOST_BROKEN} more" if len(broken) > _MOST_BROKEN else ""
            error.message += f". It may be in a plugin that is broken: {'; '.join(texts)}{more}"
            error.hint = f"{broken[0].hint}; {error.hint}"
        if self.plugins.notes:
            error.hint = f"{'; '.join(self.plugins.notes)}; {error.hint}"
        return error

    def list_components(self, kind: str | None = None) -> list[dict[str, str]]:
        """List every component of a kind, or of all kinds, for ``kce list``.

        Returns:
            Rows with kind, name, plugin, factory, source, status ("ok", "broken" or "disabled") and error.

        Raises:
            UnknownName: There is no such kind.
        """
        if kind is not None:
            _check_kind(kind)
        rows = [self._row(entry) for entry in self._entries.values() if kind in (None, entry.kind)]
        for one_kind in KINDS if kind is None else (kind,):
            offered = self._unregistered(one_kind)
            count = Counter(entry.name for entry in offered)
            for entry in offered:
                owners = (
                    [other.plugin for other in offered if other.name == entry.name] if count[entry.name] > 1 else []
                )
                clash = f"offered by {' and '.join(owners)}" if owners else ""
                rows.append(self._row(entry, clash or self._taken(entry)))
        if kind is None:
            rows += self._broken_rows()
        return sorted(rows, key=lambda row: (row["kind"], row["name"]))

    def _row(self, entry: RegistryEntry, error: str = "") -> dict[str, str]:
        if not error and entry.enabled and self.plugins.is_library(entry.plugin):
            error = missing_module(entry.plugin)
        if not error and entry.enabled:
            try:
                self._check_offered(entry)
                if self._is_built_in(entry):
                    factory = self._factories(entry)[entry.factory]
                    factory_signature(f"{entry.kind} {entry.name!r}", factory, types=False)
                    error = missing_requirement(factory)
                elif not self.plugins.is_library(entry.plugin):
                    report = self.plugins.component(entry.plugin, entry.kind, entry.factory)
                    error = report.error or report.missing
            except KCEError as broken:
                error = broken.message
        status = "disabled" if not entry.enabled else "broken" if error else "ok"
        source = self.plugins.source(entry.plugin)
        return _as_row(entry.kind, entry.name, entry.plugin, entry.factory, source, status, error)

    def _broken_rows(self) -> list[dict[str, str]]:
        """Rows of plugins that fail on import and have no registry entry: their kind is unknown."""
        named = {entry.plugin for entry in self._entries.values()}
        rows = []
        for plugin in self.plugins.names():
            try:
                if plugin not in named:
                    self.plugins.offered(plugin)
            except BrokenPlugin as broken:
                rows.append(_as_row("", plugin, plugin, "", self.plugins.source(plugin), "broken", broken.message))
        return rows

    def _taken(self, entry: RegistryEntry) -> str:
        holder = self._entries.get((entry.kind, entry.name))
        return f"the name is used for {holder.plugin}:{holder.factory} in {holder.source}" if holder else ""

    def _unregistered(self, kind: str) -> list[RegistryEntry]:
        """What third-party plugins offer of a kind without a registry entry. Broken plugins offer nothing."""
        named = {(entry.plugin, entry.factory) for entry in self._entries.values() if entry.kind == kind}
        offered = []
        self.plugins.look_at_all()
        for plugin in self.plugins.third_party():
            try:
                factories = self.plugins.offered(plugin).get(kind, [])
            except BrokenPlugin:
                continue
            source = self.plugins.source(plugin)
            offered += [
                RegistryEntry(kind, name, plugin, name, source=source)
                for name in factories
                if (plugin, name) not in named
            ]
        return offered

    def _by_alias(self, kind: str, name: str) -> RegistryEntry | None:
        normalised = _normalised(name)
        matches = [
            entry
            for entry in self._entries.values()
            if entry.kind == kind and normalised in map(_normalised, (entry.name, *entry.aliases))
        ]
        return matches[0] if len(matches) == 1 else None

    def _is_built_in(self, entry: RegistryEntry) -> bool:
        return self.plugins.source(entry.plugin) == "built-in"

    def missing(self, kind: str, name: str) -> str:
        """Say what to install before a component can be used; empty if all is there. Nothing of others is imported."""
        entry = self.entry(kind, name)
        if self.plugins.is_library(entry.plugin):
            return missing_module(entry.plugin)
        self._check_offered(entry)
        if self._is_built_in(entry):
            return missing_requirement(self._factories(entry)[entry.factory])
        return self.plugins.component(entry.plugin, entry.kind, entry.factory).missing

    def _factory(self, entry: RegistryEntry) -> Callable[..., Any]:
        if self.plugins.is_library(entry.plugin):
            return library_factory(entry)
        if entry.factory not in (factories := self._factories(entry)):
            self._check_offered(entry)
            text = f"the plugin {entry.plugin!r} offered {entry.factory!r} when it was looked at, and does not any more"
            raise BrokenPlugin("hooks", f"{entry.kind} {entry.name!r} cannot be used: {text}", "tell its author")
        if missing := missing_requirement(factories[entry.factory]):
            text = f"{entry.kind} {entry.name!r} cannot be used: {missing}"
            raise BrokenPlugin("library", text, missing.removeprefix("not installed: "))
        return factories[entry.factory]

    def _factories(self, entry: RegistryEntry) -> dict[str, Callable[..., Any]]:
        return self.plugins.offers(entry.plugin).get(entry.kind, {}) if self.plugins.source(entry.plugin) else {}

    def _check_offered(self, entry: RegistryEntry) -> None:
        """Raise BrokenPlugin if the plugin of an entry does not have its factory; nothing of others is imported."""
        plugin, factory = entry.plugin, entry.factory
        if self.plugins.is_library(plugin):
            return check_library(entry)
        known = bool(self.plugins.source(plugin))
        factories = self.plugins.offered(plugin).get(entry.kind, []) if known else []
        if factory in factories:
            if keys := [*(["rename"] if entry.rename else []), *entry.declared]:
                text = (
                    f"{entry.kind} {entry.name!r} in {entry.source} cannot be used: `{keys[0]}` is for library classes"
                )
                raise BrokenPlugin("names", text, f"leave `{keys[0]}` out: a plugin says that itself")
            return None
        if elsewhere := self._plugins_offering(entry.kind, factory):
            problem = f"the plugin {plugin!r} has no {factory!r}" if known else f"there is no plugin {plugin!r}"
            error = f"{problem}, but {elsewhere[0]!r} has {factory!r}"
            hint = f'write use = "{elsewhere[0]}:{factory}"'
        elif known:
            error = f"the plugin {plugin!r} has {UnknownName.among(entry.kind, factory, factories).message}"
            hint = f"`kce list {entry.kind}` shows what works"
        else:
            error = UnknownName.among("plugin", plugin, self.plugins.names()).message
            hint = "a plugin is a file in the `plugins/` folder beside registry.toml, or an installed package"
        raise BrokenPlugin("names", f"{entry.kind} {entry.name!r} in {entry.source} cannot be used: {error}", hint)

    def _plugins_offering(self, kind: str, factory: str) -> list[str]:
        """The plugins with such a factory: a registry.toml may name one that was renamed since."""
        offering = []
        self.plugins.look_at_all()
        for plugin in self.plugins.names():
            with contextlib.suppress(BrokenPlugin):
                if factory in self.plugins.offered(plugin).get(kind, []):
                    offering.append(plugin)
        return offering


def _as_row(*values: str) -> dict[str, str]:
    return dict(zip(("kind", "name", "plugin", "factory", "source", "status", "error"), values, strict=True))


def _normalised(name: str) -> str:
    """The name without what people write differently: FF++ and ff++, CelebDFv2 and Celeb-DF-v2 are the same."""
    return "".join(character for character in name.casefold() if character.isalnum() or character == "+")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)


def nearest_registry(folder: Path) -> Path | None:
    """Find the user's registry: the nearest in or above `folder`. A checkout's is the shipped one, and is ignored."""
    folder = folder.resolve()
    for above in (folder, *folder.parents):
        candidate = above / "registry.toml"
        # Anything of that name: what is no file is an error of whoever reads it, and is not passed over.
        if os.path.lexists(candidate):
            checkout = (above / "kce" / "hookspecs.py").is_file()
            return None if checkout or candidate == REGISTRY else candidate
    return None


def describe_component(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    """Describe a component for ``kce show``: its docstring, parameters, defaults and origin.

    Raises:
        UnknownName: There is no such kind or name.
        BrokenPlugin: The plugin behind the name cannot be used.
    """
    entry, component = registry.describe(kind, name)
    return {
        "kind": kind,
        "name": entry.name,
        "aliases": list(entry.aliases),
        "plugin": entry.plugin,
        "factory": entry.factory,
        "source": registry.plugins.source(entry.plugin),
        "registry": entry.source,
        "doc": component.doc,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "required": parameter.required,
                "default": entry.parameters.get(parameter.name, parameter.default),
                "from": "registry" if parameter.name in entry.parameters else "signature",
            }
            for parameter in component.parameters
        ],
    }
