"""What a folder holds for a report to show: one run, or the runs of a demo or a study, with their reports."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kce.errors import BadData, KCEError
from kce.faces import folder as folders
from kce.study.study import RUNS


@dataclass(frozen=True, eq=False)
class View:
    """One run: where it lies, what it is called among the others, and its report."""

    folder: Path
    report: Mapping[str, Any]
    group: str = ""
    plan: str = ""
    backbone: str = ""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder to report on: its ``report.json`` and its runs. kind is "run", "demo" or "study"."""

    path: Path
    kind: str
    document: Mapping[str, Any]
    views: Sequence[View]

    def label(self, view: View) -> str:
        """What tells a run from the others: only what differs among them."""
        parts = []
        for name, form in (("group", "group {}"), ("backbone", "{}"), ("plan", "{}"), ("seed", "seed {}")):
            if len({getattr(other, name) for other in self.views}) > 1:
                parts.append(form.format(getattr(view, name)))
        return ", ".join(parts) or "run"

    def faces(self) -> folders.Faces | None:
        """The face folder the runs were made from; None where it is not there any more."""
        try:
            told = tomllib.loads((self.views[0].folder / "recipe.toml").read_text(encoding="utf-8"))
            return folders.read(told["faces"])
        except (OSError, ValueError, KeyError, KCEError):
            return None


def read(path: Path) -> Folder:
    """What there is to report on. Raises BadData where there is nothing, or nothing that is done."""
    document = _json(path / "report.json")
    if "groups" in document and "plans" in document:
        views = [
            View(at, _json(at / "report.json"), str(run["group"]), run["plan"], run["backbone"], run["seed"])
            for run in document["runs"]
            for at in [_inside(path, run["run"])]
        ]
        return _with_runs(Folder(path, "study", document, views))
    if isinstance(document.get("runs"), dict):
        views = [View(_inside(path, plan), report, plan=plan) for plan, report in document["runs"].items()]
        return _with_runs(Folder(path, "demo", document, views))
    if "scores" in document:
        return Folder(path, "run", document, [View(path, document)])
    raise BadData(f"{path / 'report.json'} is the report of no run and no study", "name the folder of one")


def _inside(path: Path, name: str) -> Path:
    """A run's folder below `path`; a report from elsewhere may name any place."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise BadData(
            f"{path / 'report.json'} names a run outside its folder: {name}", "take the report from its maker"
        )
    return path / RUNS / name


def _with_runs(found: Folder) -> Folder:
    if not found.views:
        raise BadData(f"no run of {found.path} is done", "let it go on: start the same command again")
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadData(f"there is no {path}", "name the folder of a run, a demo or a study that is done") from error
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be read: {error}", "start the command that made it again") from error
    if not isinstance(found, dict):
        raise BadData(f"{path} is no report", "start the command that made it again")
    return found
