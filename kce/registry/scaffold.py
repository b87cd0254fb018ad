"""A package for a component of one's own, ready to install: ``kce new``."""

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
from kce.system.shipped import TEMPLATES

if TYPE_CHECKING:
    from kce.registry.registry import Registry

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FACES = "kce run runs/mine --faces faces --unknown A_x B_y"
_KINDS = {
    "dataset": ("A dataset of real and fake pictures.", "kce scan {name} --root tests/tree"),
    "detector": (
        "The face is the square in the middle.",
        "kce cut folder --root PICTURES --to faces --detector {name}",
    ),
    "backbone": ("A small convolutional network.", f"{_FACES} --backbone {{name}}"),
    "aligner": ("Every dataset gets the same mean.", f"{_FACES} --aligner {{name}}"),
    "reducer": ("Keeps the columns of largest variance.", f"{_FACES} --reducer {{name}}"),
    "clusterer": ("Clusters around rows that are far from each other.", f"{_FACES} --clusterer {{name}}"),
    "evaluator": (
        "Distance between labels over distance within.",
        "kce score runs/mine/features.h5:/unknown --evaluator {name}",
    ),
    "engine": ("One run after the other.", "kce study sun2023 --scale small --to study --engine {name}"),
}
"""kind -> what its template does, and how to use a component of it."""


def package_files(kind: str, name: str, author: str, year: int) -> dict[str, bytes]:
    """{path below the package's folder: content}. Raises UnknownName for a kind, KCEError for a name that cannot be."""
    told = template_variables(kind, name, author, year)
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - it writes Python and TOML, no pages
    )
    written = {}
    for path in sorted((TEMPLATES / "package").rglob("*.j2")):
        place = path.relative_to(TEMPLATES)
        target = templates.from_string(place.relative_to("package").as_posix().removesuffix(".j2")).render(told)
        text = templates.get_template(place.as_posix()).render(told)
        written[target] = text.rstrip("\n").encode() + b"\n"
    if kind == "dataset":
        written |= {f"tests/tree/{side}/{n:04}.png": _picture(n) for side in ("real", "fake") for n in (1, 2)}
    return written


def template_variables(kind: str, name: str, author: str, year: int) -> dict[str, str]:
    """What the templates are told."""
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)
    identifier = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(identifier) or len(name) > 50:
        raise KCEError(
            f"{name!r} is no name for a component",
            "take small letters, digits and single '-' between them, beginning with a letter: my-clusterer",
        )
    if not author.isprintable() or not author.strip():
        raise KCEError(f"{author!r} is no author", "name one with --author")
    summary, use = _KINDS[kind]
    camel = "".join(part.capitalize() for part in name.split("-"))
    return {
        "kind": kind,
        "name": name,
        "identifier": identifier,
        "distribution": f"kce-{name}",
        "module": f"kce_{identifier}",
        "factory": identifier if kind == "backbone" else camel,
        "author": author,
        "quoted_author": json.dumps(author, ensure_ascii=False),  # TOML knows no surrogate pairs
        "year": str(year),
        "summary": summary,
        "use": use.format(name=name),
        "check": f"{name}:root=tests/tree" if kind == "dataset" else name,
    }


def write_package(kind: str, name: str, author: str, to: Path, registry: Registry) -> Path:
    """Write the package into a folder of its own below `to`, and return that.

    Raises KCEError where the name is taken or the folder is not empty; nothing is written then.
    """
    content = package_files(kind, name, author, date.today().year)
    taken = [row for row in registry.list_components(kind) if row["name"] == name]
    if taken:
        raise KCEError(
            f"there is a {kind} named {name!r} already, of the plugin {taken[0]['plugin']} ({taken[0]['source']})",
            "choose another name",
        )
    folder = to / f"kce-{name}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KCEError(f"{folder} is there already", "name another folder with --to, or remove that one")
    for place, data in content.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)
    return folder


def next_steps(kind: str, name: str, folder: Path) -> list[str]:
    """What to do next, line by line: the commands of the package's README."""
    told = template_variables(kind, name, "-", 0)
    return [f"cd {folder}", 'pip install -e ".[test]"', "pytest", f"kce check {kind} {told['check']}", told["use"]]


def _picture(number: int) -> bytes:
    """A small picture, png."""
    import cv2
    import numpy as np

    random = np.random.default_rng(number)
    done, png = cv2.imencode(".png", random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert done  # noqa: S101 - OpenCV writes png
    return bytes(png)
