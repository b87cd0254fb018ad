"""The installed packages and files behind plugins: who wrote them, and what each offers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import getaddresses
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BrokenPlugin
from kce.hookspecs import API, KINDS
from kce.registry.provenance import DISTRIBUTION, install_source
from kce.system.version import __version__

if TYPE_CHECKING:
    from kce.registry.registry import Registry


def list_distributions(registry: Registry) -> list[dict[str, Any]]:
    """List the installed packages and files behind plugins, for ``kce list --plugins``.

    Returns:
        A row each, KCE itself first: distribution (a file's path), version (empty for a file), author, api (the version
        of the plugin API it says it was written for), plugins, offers ({kind: [names]}), status ("ok" or "broken") and
        error (what is wrong with its plugins and components, a line each).
    """
    plugins = registry.plugins
    errors = {(row["plugin"], row["kind"], row["factory"]): row["error"] for row in registry.list_components()}
    rows: dict[str, dict[str, Any]] = {}
    plugins.look_at_all()
    for plugin in plugins.names():
        source = plugins.source(plugin)
        row = rows.setdefault(source, _empty_row(source, plugins.metadata(plugin)))
        row["plugins"].append(plugin)
        row["api"] = row["api"] or plugins.api(plugin)
        try:
            offers = plugins.offered(plugin)
        except BrokenPlugin as broken:
            row["error"].append(broken.message)
            continue
        for kind, names in offers.items():
            row["offers"].setdefault(kind, []).extend(names)
            row["error"] += [error for name in names if (error := errors.get((plugin, kind, name)))]
    for row in rows.values():
        row["offers"] = {kind: sorted(row["offers"][kind]) for kind in KINDS if kind in row["offers"]}
        row["status"] = "broken" if row["error"] else "ok"
        row["error"] = "\n".join(row["error"])
    return [rows[source] for source in sorted(rows, key=lambda source: (source != "built-in", source))]


def plugin_origin(registry: Registry, plugin: str) -> str:
    """Say where a plugin comes from, so that others can get it.

    "kce-umap 0.1.0", a file's name and SHA-256, or "sklearn.cluster of scikit-learn 1.9.1" for a module of a library.
    """
    source = registry.plugins.source(plugin)
    if source == "built-in":
        return f"{DISTRIBUTION} {__version__}"
    if registry.plugins.is_library(plugin):
        return f"{plugin} of {source}"
    file = Path(source) / "__init__.py" if Path(source).is_dir() else Path(source)
    return f"{file.name} sha256:{sha256(file.read_bytes()).hexdigest()}" if file.is_file() else source


def install_hint(origin: str) -> str:
    """Say how to get the plugin that `origin`, as ``plugin_origin`` returned it elsewhere, names."""
    name, _, version = origin.partition(" ")
    if version.startswith("of "):
        return f"it is a class of {origin}, which a registry.toml named: copy its table into yours"
    if version.startswith("sha256:"):
        return f"it came from a plugin file, {name} ({version[:19]}...): put that into the `plugins/` folder"
    if name == DISTRIBUTION and (reference := install_source().reference):
        return f"it is built into {origin}; this is {__version__}, installed from {reference}: install that version"
    return f'it came from {origin}: pip install "{name}=={version}"'


def _empty_row(source: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    names = [name for name, _ in getaddresses([metadata.get("author-email", "")]) if name]
    row = {
        "distribution": metadata.get("name", source),
        "version": metadata.get("version", ""),
        "author": metadata.get("author") or ", ".join(names),
        "api": "",
    }
    if source == "built-in":
        row |= {"distribution": DISTRIBUTION, "version": __version__, "api": API}
    return {**row, "plugins": [], "offers": {}, "status": "", "error": []}
