"""Writes a package with a component of the user's own, ready to install: ``kce new``."""

from __future__ import annotations

import json
import keyword
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kce.errors import KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.provenance import DISTRIBUTION, InstallSource, install_source
from kce.system.shipped import TEMPLATES
from kce.system.version import __version__

if TYPE_CHECKING:
    from kce.registry.registry import Registry

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RUN = "kce run runs/mine --faces faces --unknown A_x B_y"
_KINDS = {
    "dataset": ("A dataset of real and fake pictures.", "kce scan {name} --root tests/tree"),
    "detector": (
        "Takes the square in the middle for the face.",
        "kce cut folder --root PICTURES --to faces --detector {name}",
    ),
    "backbone": ("A small convolutional network.", f"{_RUN} --backbone {{name}}"),
    "aligner": ("Gives every dataset the same mean.", f"{_RUN} --aligner {{name}}"),
    "reducer": ("Keeps the columns with the largest variance.", f"{_RUN} --reducer {{name}}"),
    "clusterer": ("Clusters around rows that are far from each other.", f"{_RUN} --clusterer {{name}}"),
    "evaluator": (
        "Distance between labels divided by distance within them.",
        "kce score runs/mine/features.h5:/unknown --evaluator {name}",
    ),
    "tracer": ("Distance from the nearest category's mean.", "kce trace runs/mine PICTURES --tracer {name}"),
    "engine": ("Runs one job after the other.", "kce study sun2023 --scale small --to study --engine {name}"),
}
"""kind -> (what the template's component does, the command that uses it)."""


def package_files(kind: str, name: str, author: str, year: int, source: InstallSource) -> dict[str, bytes]:
    """Render the files of a package.

    Args:
        kind: One of ``kce.hookspecs.KINDS``.
        name: The component's name, such as ``my-clusterer``.
        author: Named in the licence and the metadata.
        year: The year in the licence.
        source: Where this KCE came from; the package's CI installs it from there.

    Returns:
        The content of each file by its path below the package's folder.

    Raises:
        UnknownName: There is no such kind.
        KCEError: The name or the author cannot be used.
    """
    variables = {**_variables(kind, name, author), "year": str(year), "source": source}
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - it writes Python and TOML, not HTML
    )
    files = {}
    for template in sorted((TEMPLATES / "package").rglob("*.j2")):
        path = template.relative_to(TEMPLATES)
        target = templates.from_string(path.relative_to("package").as_posix().removesuffix(".j2")).render(variables)
        text = templates.get_template(path.as_posix()).render(variables)
        files[target] = text.rstrip("\n").encode() + b"\n"
    if kind == "dataset":
        files |= {f"tests/tree/{side}/{n:04}.png": _picture(n) for side in ("real", "fake") for n in (1, 2)}
    return files


def _variables(kind: str, name: str, author: str) -> dict[str, str]:
    """The variables of the templates, after a check of what they are made from."""
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)
    identifier = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(identifier) or len(name) > 50:
        raise KCEError(
            f"{name!r} cannot be the name of a component",
            "use up to 50 lower-case letters, digits and single hyphens, beginning with a letter: my-clusterer",
        )
    if f"kce-{name}" == DISTRIBUTION:
        raise KCEError(f"{name!r} cannot be the name of a component: {DISTRIBUTION} is KCE itself", "use another name")
    if not author.isprintable() or not author.strip():
        raise KCEError(f"{author!r} cannot be the name of an author", "give one with --author")
    summary, use = _KINDS[kind]
    camel_case = "".join(word.capitalize() for word in name.split("-"))
    return {
        "kind": kind,
        "name": name,
        "identifier": identifier,
        "distribution": f"kce-{name}",
        "module": f"kce_{identifier}",
        "factory": identifier if kind == "backbone" else camel_case,
        "author": author,
        "quoted_author": json.dumps(author, ensure_ascii=False),  # TOML has no surrogate pairs
        "summary": summary,
        "use": use.format(name=name),
        "check": f"{name}:root=tests/tree" if kind == "dataset" else name,
        "kce": DISTRIBUTION,
        "requirement": f"{DISTRIBUTION}>={__version__},<{int(__version__.partition('.')[0]) + 1}",
    }


def write_package(kind: str, name: str, author: str, to: Path, registry: Registry) -> Path:
    """Write the package into the folder ``kce-NAME`` below `to`.

    Returns:
        The package's folder.

    Raises:
        UnknownName: There is no such kind.
        KCEError: The name cannot be used or belongs to another component, or the folder is not empty. Nothing is
            written then.
    """
    files = package_files(kind, name, author, date.today().year, install_source())
    existing = [row for row in registry.list_components(kind) if row["name"] == name]
    if existing:
        plugin, source = existing[0]["plugin"], existing[0]["source"]
        raise KCEError(
            f"a {kind} named {name!r} already exists, in the plugin {plugin} ({source})", "choose another name"
        )
    folder = to / f"kce-{name}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KCEError(f"{folder} already exists", "name another folder with --to, or remove that one")
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def next_steps(kind: str, name: str, folder: Path) -> list[str]:
    """List the commands to run next: those of the package's README."""
    variables = _variables(kind, name, author="-")
    check = f"kce check {kind} {variables['check']}"
    return [f"cd {folder}", 'pip install -e ".[test]"', "pytest", check, variables["use"]]


def _picture(seed: int) -> bytes:
    """A small picture of noise, as png."""
    import cv2
    import numpy as np

    random = np.random.default_rng(seed)
    done, png = cv2.imencode(".png", random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert done  # noqa: S101 - OpenCV writes png
    return bytes(png)
