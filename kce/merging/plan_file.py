"""A merge plan as a file: ``plan.toml``, to be read and edited by people."""

from __future__ import annotations

import difflib
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import tomlkit

from kce.errors import BadData
from kce.system.atomic import write_atomic
from kce.types import MergePlan

_HINT = 'each line below [classes] is "category" = "class", and each category has one line'


def write_plan(path: Path, plan: MergePlan) -> None:
    """Write the plan, class by class; why each category is where it is stands beside it as a comment."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment("Which category belongs to which class. Edit it as you like; a run takes it as it is.")
    )
    document["made"] = plan.made
    classes = tomlkit.table()
    for category in sorted(plan.classes, key=lambda category: (plan.classes[category], category)):
        line = tomlkit.string(plan.classes[category])
        if category in plan.votes:
            line.comment(_one_line(plan.votes[category]))
        classes.add(tomlkit.key(category) if category else category, line)
    document["classes"] = classes
    write_atomic(path, tomlkit.dumps(document).encode())


def read_plan(path: Path) -> MergePlan:
    """The plan of a file, with its comments as votes.

    Raises BadData: no such file, not TOML, a category that stands twice or names no class.
    """
    try:
        text = path.read_text(encoding="utf-8")
        classes = tomllib.loads(text).get("classes")
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"cannot read the plan {path}: {error}", "see that it is there, and is UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        twice = str(error).startswith("Cannot overwrite")
        what = f"a category stands twice: {_named_line(text, error)}" if twice else str(error)
        raise BadData(f"{path} is not a plan: {what}", _HINT) from error
    if not isinstance(classes, dict) or not classes:
        raise BadData(f"{path} is not a plan: it has no classes", _HINT)
    bad = sorted(category for category, name in classes.items() if not (isinstance(name, str) and name.strip()))
    if bad:
        raise BadData(f"{path}: no class, or none that is a text, for: {', '.join(map(repr, bad))}", _HINT)
    document = tomlkit.parse(text)
    made = document.unwrap().get("made", "")
    lines = {category: document["classes"].item(category) for category in classes}
    votes = {category: line.trivia.comment.lstrip("# ") for category, line in lines.items() if line.trivia.comment}
    return MergePlan(classes, votes, made if isinstance(made, str) else "")


def check_plan(plan: MergePlan, categories: Iterable[str]) -> None:
    """Raise BadData unless the plan speaks of exactly these categories and gives each a class."""
    wanted = set(categories)
    missing = sorted(wanted - plan.classes.keys())
    complaints = [f"no class for {category}" for category in missing]
    for category in sorted(plan.classes.keys() - wanted):
        near = difflib.get_close_matches(category, missing or sorted(wanted), n=1)
        complaints.append(f"no such category: {category}" + (f" (perhaps {near[0]})" if near else ""))
    complaints += [f"an empty class for {category}" for category, name in plan.classes.items() if not name.strip()]
    if complaints:
        raise BadData("the plan does not fit: " + "; ".join(complaints), _HINT)


def _one_line(text: str) -> str:
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)


def _named_line(text: str, error: tomllib.TOMLDecodeError) -> str:
    number = int("".join(filter(str.isdigit, str(error).partition("line ")[2].partition(",")[0])) or 0)
    lines = text.splitlines()
    return f"line {number}, {lines[number - 1].strip()}" if 0 < number <= len(lines) else str(error)
