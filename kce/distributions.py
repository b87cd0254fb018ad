"""Who made what: the installed packages and files behind plugins, and what each offers."""

from __future__ import annotations

import importlib.metadata
from email.utils import parseaddr
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import __version__
from kce.hookspecs import API, KINDS

if TYPE_CHECKING:
    from kce.registry import Registry


def rows(registry: Registry) -> list[dict[str, Any]]:
    """One row per installed package, plugin file, and for all that is built in: for ``kce list --plugins``.

    {"distribution", "version", "author", "api", "plugins": [..], "offers": {kind: [names]}, "status", "error"}. A file
    has its path as "distribution" and no version. `api` is the version of the plugin API it says it was written for.
    """
    found: dict[str, dict[str, Any]] = {}
    for part in registry.rows():
        row = found.setdefault(part["source"], _about(part["source"]))
        if part["plugin"] not in row["plugins"]:
            row["plugins"].append(part["plugin"])
            row["api"] = registry.plugins.api(part["plugin"]) or row["api"]
        if part["status"] == "broken":
            row["status"], row["error"] = "broken", part["error"]
        elif part["kind"]:
            row["offers"].setdefault(part["kind"], []).append(part["name"])
    for row in found.values():
        row["offers"] = {kind: row["offers"][kind] for kind in KINDS if kind in row["offers"]}
    return [found[source] for source in sorted(found, key=lambda source: (source != "built-in", source))]


def origin(registry: Registry, plugin: str) -> str:
    """Where a plugin comes from, so that another can get it: "kce-umap 0.1.0", or a file's name and SHA-256."""
    source = registry.plugins.source(plugin)
    if source == "built-in":
        return f"kce {__version__}"
    file = Path(source) / "__init__.py" if Path(source).is_dir() else Path(source)
    return f"{file.name} sha256:{sha256(file.read_bytes()).hexdigest()}" if file.is_file() else source


def to_install(origin: str) -> str:
    """What to do to get what `origin` names."""
    name, _, version = origin.partition(" ")
    if version.startswith("sha256:"):
        return f"it came from a plugin file, {name} ({version[:19]}...): put that into the `plugins/` folder"
    return f'it came from {origin}: pip install "{name}=={version}"'


def _about(source: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"plugins": [], "offers": {}, "status": "ok", "error": ""}
    if source == "built-in":
        return {"distribution": "kce", "version": __version__, "author": "", "api": API, **empty}
    name, _, version = source.rpartition(" ")
    try:
        told = importlib.metadata.metadata(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):  # a file
        return {"distribution": source, "version": "", "author": "", "api": "", **empty}
    said = told.json
    author = said.get("author") or parseaddr(str(said.get("author_email", "")))[0]
    return {"distribution": name, "version": version, "author": author, "api": "", **empty}
