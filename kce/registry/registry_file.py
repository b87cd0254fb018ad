"""The schema of ``registry.toml``, and how one file is read over another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Any, ClassVar

from kce.errors import KCEError
from kce.hookspecs import KINDS
from kce.system.documents import Document, model_from_table, read_document
from kce.system.shipped import REGISTRY


@dataclass(frozen=True)
class RegistryEntry:
    """What a name means: a plugin's factory, with parameters.

    Attributes:
        parameters: What the file gives the factory; the recipe or the command line may say otherwise.
        source: The file that defines the name.
        reals: Name of the dataset whose reals are taken instead, for a dataset without reals of its own.
        rename: Library's name -> KCE's, of parameters of a library's class.
        declared: What a library's class cannot declare itself: `growth` and `known_faults`, as a factory's attributes.
    """

    kind: str
    name: str
    plugin: str
    factory: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    source: str = ""
    reals: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RegistryTable:
    """The keys of ``[kind.name]`` that are not parameters of the component; None = as in the file below.

    Attributes:
        use: "plugin:factory", or "module:Class" of a library: "sklearn.cluster:Birch".
        enabled: False switches the name off.
        aliases: More names of it.
        reals: Name of the dataset whose reals are taken, for a dataset without its own.
        rename: Of a library's class, its name of a parameter -> KCE's: { n_components = "n_clusters" }.
        growth: Of a library's class, the powers of n that it grows with: { time = 2, memory = 2 }.
        known_faults: Of a library's class, check -> why it fails it.
    """

    use: str | None = None
    enabled: bool = True
    aliases: tuple[str, ...] | None = None
    reals: str | None = None
    rename: Mapping[str, str] | None = None
    growth: Mapping[str, float] | None = None
    known_faults: Mapping[str, str] | None = None


class _RegistryKeys(Document):
    NOUN: ClassVar[str] = "a registry"
    HINT: ClassVar[str] = 'a registry has tables such as [clusterer.mine] with a line use = "plugin:factory"'
    BY_HAND: ClassVar[bool] = True


RegistryFile = make_dataclass(
    "RegistryFile",
    [(kind, Mapping[str, Mapping[str, Any]], field(default_factory=dict)) for kind in KINDS],
    bases=(_RegistryKeys,),
    frozen=True,
    namespace={"__module__": __name__},
)
"""Kind -> name -> its table: the keys of ``RegistryTable``, and parameters of the component."""

_RESERVED = tuple(item.name for item in fields(RegistryTable))


def read_registry(path: Path, below: Mapping[tuple[str, str], RegistryEntry]) -> dict[tuple[str, str], RegistryEntry]:
    """Read one file over the entries of another.

    Args:
        path: The file.
        below: (kind, name) -> entry of the file that this one adds to. A table with `use` replaces the entry of its
            name; one without adds parameters to it.

    Returns:
        (kind, name) -> entry, of both.

    Raises:
        BadData: It is not a registry, or a value is of another type.
        UnknownName: A kind of component that does not exist.
        KCEError: A table that does not name a plugin, or a name that cannot be one.
    """
    document: Any = read_document(path, RegistryFile)
    entries = dict(below)
    for kind in KINDS:
        for name, table in getattr(document, kind).items():
            entries[kind, name] = _entry(path, kind, name, table, below.get((kind, name)))
    return entries


def _entry(path: Path, kind: str, name: str, table: Mapping[str, Any], below: RegistryEntry | None) -> RegistryEntry:
    where = f"{path}: [{kind}.{name}]"
    keys = {key: value for key, value in table.items() if key in _RESERVED}
    spec = model_from_table(keys, RegistryTable, str(path), f"{kind}.{name}")
    if ":" in name or "," in name or not name:
        raise KCEError(f"{where}: a name has no ':' and no ','", "choose another name")
    parameters = {key: value for key, value in table.items() if key not in _RESERVED}
    if spec.use is not None:
        plugin, colon, factory = spec.use.partition(":")
        if not colon or ":" in factory:
            raise KCEError(f"{where}: use = {spec.use!r} is not plugin:factory", 'as in: use = "sklearn.cluster:Birch"')
    elif below is not None:
        plugin, factory, parameters = below.plugin, below.factory, {**below.parameters, **parameters}
    else:
        raise KCEError(f"{where} does not say what to use", 'add a line: use = "plugin:factory"')
    aliases, reals = (below.aliases, below.reals) if below else ((), "")
    rename, declared = (below.rename, dict(below.declared)) if below and spec.use is None else ({}, {})
    declared |= {key: keys[key] for key in ("growth", "known_faults") if key in keys}
    return RegistryEntry(
        kind,
        name,
        plugin,
        factory,
        parameters,
        aliases if spec.aliases is None else spec.aliases,
        spec.enabled,
        "the shipped registry.toml" if path == REGISTRY else str(path),
        reals if spec.reals is None else spec.reals,
        rename if spec.rename is None else spec.rename,
        declared,
    )
