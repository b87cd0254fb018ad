"""Reads ``registry.toml``, and builds a component by its name.

The shipped file gives every built-in its name. The nearest ``registry.toml`` above the working folder adds to it and
wins. What an installed package or a ``plugins/`` folder offers is known by its own name without any file.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.manager import Plugins
from kce.registry.registry_file import RegistryEntry, read_registry
from kce.registry.specs import bind_parameters, factory_signature, format_spec, parse_spec
from kce.system.shipped import REGISTRY


@dataclass(frozen=True)
class ResolvedComponent:
    """A component that could be built: its factory and every parameter it will get."""

    entry: RegistryEntry
    factory: Callable[..., Any]
    parameters: Mapping[str, Any]

    @property
    def spec(self) -> str:
        """The whole configuration in the form of the command line: ``kmeans:n_clusters=19,n_init=10,seed=1``."""
        return format_spec(self.entry.name, self.parameters)

    def build(self) -> Any:
        """Call the factory. What it raises over its parameters is the user's to mend."""
        try:
            return self.factory(**self.parameters)
        except (TypeError, ValueError) as error:
            raise KCEError(
                f"{self.entry.kind} {self.spec!r} cannot be built: {error}",
                f"`kce show {self.entry.kind} {self.entry.name}` lists its parameters",
            ) from error


class Registry:
    """The names in reach of a folder, and what they mean."""

    def __init__(self, entries: Mapping[tuple[str, str], RegistryEntry], plugins: Plugins, folder: Path) -> None:
        self._entries = dict(entries)
        self.plugins = plugins
        self.folder = folder

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Registry:
        """What the shell would see in `folder` (default: the working folder)."""
        here = Path(folder) if folder is not None else Path.cwd()
        user = _nearest(here)
        entries = read_registry(REGISTRY, {})
        if user is not None:
            entries = read_registry(user, entries)
        return cls(entries, Plugins(user.parent if user is not None else None), here)

    @classmethod
    def shipped(cls) -> Registry:
        """The registry as it is shipped, without any file of the user; `folder` is where the shipped file is."""
        return cls.load(REGISTRY.parent)

    def __reduce__(self) -> tuple[Callable[[Path], Registry], tuple[Path]]:
        # Another process reads the same files: what travels is names, never components.
        return type(self).load, (self.folder.absolute(),)

    def names(self, kind: str) -> list[str]:
        """Every name of a kind that can be asked for, sorted."""
        _check_kind(kind)
        named = {name for (of, name), entry in self._entries.items() if of == kind and entry.enabled}
        return sorted(named | {entry.name for entry in self._unnamed(kind)})

    def build(self, kind: str, spec: str, **parameters: Any) -> Any:
        """A component by "name:key=value,key=value". `parameters` are the caller's own (root, seed ...).

        Raises UnknownName for a name or a parameter that does not exist, BrokenPlugin for a plugin that fails, and
        KCEError for a parameter of the wrong type, missing or given twice.
        """
        return self.resolve(kind, spec, **parameters).build()

    def resolve(self, kind: str, spec: str, **parameters: Any) -> ResolvedComponent:
        """All that `build` does short of building, so that errors come before any work."""
        name, given = parse_spec(spec)
        entry = self.entry(kind, name)
        factory = self._factory(entry)
        twice = sorted(set(given) & set(parameters))
        if twice:
            raise KCEError(f"{kind} {name!r}: {twice[0]!r} is set here already", f"leave it out of {spec!r}")
        what = f"{kind} {entry.name!r}"
        merged = bind_parameters(what, factory, {**entry.parameters, **given, **parameters})
        return ResolvedComponent(entry, factory, merged)

    def resolve_seeded(self, kind: str, spec: str, seed: int, **parameters: Any) -> ResolvedComponent:
        """As ``resolve``, with this seed if the component takes one and `spec` gives it no other."""
        if self.takes(kind, spec, "seed"):
            parameters["seed"] = seed
        return self.resolve(kind, spec, **parameters)

    def component(self, kind: str, name: str) -> ResolvedComponent:
        """What a name stands for, with the parameters the registry gives it and no others yet."""
        entry = self.entry(kind, name)
        return ResolvedComponent(entry, self._factory(entry), entry.parameters)

    def takes(self, kind: str, spec: str, parameter: str) -> bool:
        """Whether the component has this parameter and `spec` leaves it open."""
        name, given = parse_spec(spec)
        factory = self._factory(self.entry(kind, name))
        return parameter not in given and parameter in factory_signature(f"{kind} {name!r}", factory).parameters

    def entry(self, kind: str, name: str) -> RegistryEntry:
        """What a name means. Exact names come first, then aliases and other spellings, then what outsiders offer."""
        _check_kind(kind)
        entry = self._entries.get((kind, name)) or self._by_alias(kind, name)
        if entry is None:
            offered = [e for e in self._unnamed(kind) if e.name == name]
            if len(offered) > 1:
                both = " and ".join(e.plugin for e in offered)
                raise BrokenPlugin(
                    "names",
                    f"{kind} {name!r} is offered by two plugins: {both}",
                    f'say which in registry.toml: [{kind}.{name}] use = "{offered[0].plugin}:{name}"',
                )
            if not offered:
                raise UnknownName.among(kind, name, self.names(kind), f"`kce list {kind}` says where each is from")
            entry = offered[0]
        if not entry.enabled:
            raise KCEError(f"{kind} {name!r} is disabled by {entry.source}", "set `enabled = true` there to use it")
        return entry

    def list_components(self, kind: str | None = None) -> list[dict[str, str]]:
        """One row per component for ``kce list``: kind, name, plugin, factory, source, status and error."""
        if kind is not None:
            _check_kind(kind)
        listed = [self._row(entry) for (of, _), entry in self._entries.items() if kind in (None, of)]
        for of in KINDS if kind is None else (kind,):
            offered = self._unnamed(of)
            times = Counter(entry.name for entry in offered)
            for entry in offered:
                same = [other.plugin for other in offered if other.name == entry.name] if times[entry.name] > 1 else []
                clash = f"offered by {' and '.join(same)}" if same else ""
                listed.append(self._row(entry, clash or self._taken(entry)))
        if kind is None:
            listed += self._broken_rows()
        return sorted(listed, key=lambda row: (row["kind"], row["name"]))

    def _row(self, entry: RegistryEntry, error: str = "") -> dict[str, str]:
        if not error and entry.enabled:
            try:
                factory_signature(f"{entry.kind} {entry.name!r}", self._factory(entry), types=False)
            except KCEError as broken:
                error = broken.message
        status = "disabled" if not entry.enabled else "broken" if error else "ok"
        source = self.plugins.source(entry.plugin)
        return _as_row(entry.kind, entry.name, entry.plugin, entry.factory, source, status, error)

    def _broken_rows(self) -> list[dict[str, str]]:
        """Plugins that fail before they can say what they offer, and that no table names: their kind is not known."""
        named = {entry.plugin for entry in self._entries.values()}
        rows = []
        for plugin in self.plugins.names():
            try:
                if plugin not in named:
                    self.plugins.offers(plugin)
            except BrokenPlugin as broken:
                rows.append(_as_row("", plugin, plugin, "", self.plugins.source(plugin), "broken", broken.message))
        return rows

    def _taken(self, entry: RegistryEntry) -> str:
        holder = self._entries.get((entry.kind, entry.name))
        return f"the name belongs to {holder.plugin}:{holder.factory} ({holder.source})" if holder else ""

    def _unnamed(self, kind: str) -> list[RegistryEntry]:
        """What outsiders offer of a kind beyond the registry's own tables. Broken plugins offer nothing."""
        named = {(entry.plugin, entry.factory) for entry in self._entries.values() if entry.kind == kind}
        offered = []
        for plugin in self.plugins.third_party():
            try:
                factories = self.plugins.offers(plugin).get(kind, {})
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
        wanted = _plain(name)
        fits = [
            entry
            for (of, known), entry in self._entries.items()
            if of == kind and wanted in {_plain(known), *map(_plain, entry.aliases)}
        ]
        return fits[0] if len(fits) == 1 else None

    def _factory(self, entry: RegistryEntry) -> Callable[..., Any]:
        if not self.plugins.source(entry.plugin):
            message = UnknownName.among("plugin", entry.plugin, self.plugins.names()).message
            raise BrokenPlugin(
                "names",
                f"{entry.kind} {entry.name!r} ({entry.source}) cannot be used: {message}",
                "a plugin is a file in the `plugins/` folder beside registry.toml, or an installed package",
            )
        factories = self.plugins.offers(entry.plugin).get(entry.kind, {})
        if entry.factory not in factories:
            message = UnknownName.among(f"{entry.kind}", entry.factory, factories).message
            raise BrokenPlugin("names", f"plugin {entry.plugin!r} ({self.plugins.source(entry.plugin)}): {message}")
        return factories[entry.factory]


def _as_row(*values: str) -> dict[str, str]:
    return dict(zip(("kind", "name", "plugin", "factory", "source", "status", "error"), values, strict=True))


def _plain(name: str) -> str:
    """A name as people mean it: FF++ and ff++, CelebDFv2 and Celeb-DF-v2 are one."""
    return "".join(character for character in name.casefold() if character.isalnum() or character == "+")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)


def _nearest(folder: Path) -> Path | None:
    """The user's registry: the nearest above `folder`. A checkout of KCE is nobody's own folder."""
    folder = folder.resolve()
    for above in (folder, *folder.parents):
        candidate = above / "registry.toml"
        if candidate.is_file():
            checkout = (above / "kce" / "hookspecs.py").is_file()
            return None if checkout or candidate == REGISTRY else candidate
    return None


def describe_component(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    """All there is to say about a component, for ``kce show``: its docstring, parameters, defaults and origin."""
    part = registry.component(kind, name)
    entry, factory = part.entry, part.factory
    parameters = []
    for parameter in factory_signature(f"{kind} {name!r}", factory).parameters.values():
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        parameters.append(
            {
                "name": parameter.name,
                "type": inspect.formatannotation(parameter.annotation)
                if parameter.annotation is not inspect.Parameter.empty
                else "",
                "required": parameter.default is inspect.Parameter.empty,
                "default": entry.parameters.get(parameter.name, default),
                "from": "registry" if parameter.name in entry.parameters else "signature",
            }
        )
    return {
        "kind": kind,
        "name": entry.name,
        "aliases": list(entry.aliases),
        "plugin": entry.plugin,
        "factory": entry.factory,
        "source": registry.plugins.source(entry.plugin),
        "registry": entry.source,
        "doc": inspect.getdoc(factory) or "",
        "parameters": parameters,
    }
