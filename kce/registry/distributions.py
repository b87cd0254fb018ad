"""Who made what: the installed packages and files behind plugins, and what each offers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import getaddresses
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import __version__
from kce.errors import BrokenPlugin
from kce.hookspecs import API, KINDS
from kce.registry.provenance import DISTRIBUTION, install_source

if TYPE_CHECKING:
    from kce.registry.registry import Registry


def list_distributions(registry: Registry) -> list[dict[str, Any]]:
    """One row per installed package, plugin file, and for all that is built in: for ``kce list --plugins``.

    {"distribution", "version", "author", "api", "plugins": [..], "offers": {kind: [names]}, "status", "error"}. A file
    has its path as "distribution" and no version. `api` is the version of the plugin API it says it was written for.
    `error` has what is wrong with the plugins and with what they offer, a line each.
    """
    plugins = registry.plugins
    broken = {(row["plugin"], row["kind"], row["factory"]): row["error"] for row in registry.list_components()}
    found: dict[str, dict[str, Any]] = {}
    for plugin in plugins.names():
        source = plugins.source(plugin)
        row = found.setdefault(source, _about(source, plugins.head(plugin)))
        row["plugins"].append(plugin)
        row["api"] = row["api"] or plugins.api(plugin)
        try:
            offers = plugins.offers(plugin)
        except BrokenPlugin as error:
            row["error"].append(error.message)
            continue
        for kind, names in offers.items():
            row["offers"].setdefault(kind, []).extend(names)
            row["error"] += [why for name in names if (why := broken.get((plugin, kind, name)))]
    for row in found.values():
        row["offers"] = {kind: sorted(row["offers"][kind]) for kind in KINDS if kind in row["offers"]}
        row["status"] = "broken" if row["error"] else "ok"
        row["error"] = "\n".join(row["error"])
    return [found[source] for source in sorted(found, key=lambda source: (source != "built-in", source))]


def plugin_origin(registry: Registry, plugin: str) -> str:
    """Where a plugin comes from, so that another can get it: "kce-umap 0.1.0", or a file's name and SHA-256."""
    source = registry.plugins.source(plugin)
    if source == "built-in":
        return f"{DISTRIBUTION} {__version__}"
    file = Path(source) / "__init__.py" if Path(source).is_dir() else Path(source)
    return f"{file.name} sha256:{sha256(file.read_bytes()).hexdigest()}" if file.is_file() else source


def install_hint(origin: str) -> str:
    """Say how to get the plugin that `origin`, as ``plugin_origin`` returned it elsewhere, names."""
    name, _, version = origin.partition(" ")
    if version.startswith("sha256:"):
        return f"it came from a plugin file, {name} ({version[:19]}...): put that into the `plugins/` folder"
    if name == DISTRIBUTION and (reference := install_source().reference):
        return f"it is built into {origin}; this is {__version__}, installed from {reference}: install that version"
    return f'it came from {origin}: pip install "{name}=={version}"'


def _about(source: str, head: Mapping[str, str]) -> dict[str, Any]:
    author = head.get("author") or ", ".join(name for name, _ in getaddresses([head.get("author-email", "")]) if name)
    found = {"distribution": head.get("name", source), "version": head.get("version", ""), "author": author, "api": ""}
    if source == "built-in":
        found |= {"distribution": DISTRIBUTION, "version": __version__, "api": API}
    return {**found, "plugins": [], "offers": {}, "status": "", "error": []}
