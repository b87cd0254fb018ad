"""A merge plan as a file: ``plan.toml``, to be read and edited by people.

A plan has a hash of its classes as they were made, so that one that a person edited says so. What counts is which
categories belong together: other names for the classes, comments, order and spacing are no edit.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import tomlkit
import xxhash

from kce.errors import BadData
from kce.system.documents import Document, document_from_table, read_table, write_table
from kce.system.regular import read_regular_text
from kce.types import MergePlan

UNKNOWN_HASH = "unknown"
"""In place of a hash: the file says how the plan was made, but not what it was."""

_HINT = 'each line below [classes] is "category" = "class", and each category has one line'


@dataclass(frozen=True)
class PlanFile(Document):
    """The keys of ``plan.toml``.

    Attributes:
        classes: Category -> class.
        made: How the plan came about.
        asked: Number of classes that was asked for; absent where none was.
        between: The lowest and the highest number of classes that is possible, if `asked` is an estimate; else absent.
        doubtful: Pairs of categories that are joined by fewer than 90 % of the plans of resampled recordings, each with
            that share; absent where there are none.
        made_hash: Hash of the classes as they were made, by ``partition_hash``; absent in a plan written by hand.
        edited: Whether a run found other classes than those. It is for people: readers compare the hashes.
    """

    NOUN: ClassVar[str] = "a merge plan"
    HINT: ClassVar[str] = _HINT
    BY_HAND: ClassVar[bool] = True

    classes: Mapping[str, str]
    made: str = ""
    asked: int | None = None
    between: tuple[int, int] | None = None
    doubtful: tuple[tuple[str, str, float], ...] = ()
    made_hash: str = ""
    edited: bool = False


@dataclass(frozen=True)
class PlanOrigin:
    """Where a plan comes from, as recipes and reports record it.

    Attributes:
        made: How it was made; of an edited plan, how the plan was made that was edited.
        edited: Whether a person changed which categories belong together, or may have.
        plan_hash: Hash of the plan, by ``partition_hash``.
        made_hash: Hash of the plan as it was made; "unknown" if that is not known.
    """

    made: str
    edited: bool
    plan_hash: str
    made_hash: str


def plan_origin(plan: MergePlan) -> PlanOrigin:
    """The origin of a plan.

    >>> plan_origin(MergePlan({"a": "x", "b": "x"}, made="by name")).edited
    False
    """
    own = partition_hash(plan)
    return PlanOrigin(plan.made, plan.edited, own, plan.edited_from or own)


def partition_hash(plan: MergePlan) -> str:
    """Hash of which categories belong together, whatever the classes are called (32 hex digits).

    >>> one, other = MergePlan({"a": "x", "b": "x", "c": "y"}), MergePlan({"c": "1", "b": "2", "a": "2"})
    >>> partition_hash(one) == partition_hash(other)
    True
    """
    members = sorted(plan.members(name) for name in plan.names)
    return xxhash.xxh3_128_hexdigest(json.dumps(members).encode())


def describe_edit(made: str, made_hash: str) -> str:
    """Say that a plan was edited, and what it was made from.

    >>> describe_edit("by name", "c0ffee")
    'the plan was edited by a person after it was made (by name)'
    """
    what = f"({made})" if made else "(how is not recorded)"
    if made_hash == UNKNOWN_HASH:
        return f"whether the plan is as it was made {what} is not known: its line made_hash is missing"
    return f"the plan was edited by a person after it was made {what}"


def write_plan(path: Path, plan: MergePlan) -> None:
    """Write the plan, class by class, with the reason for each category as a comment in its line."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment(
            "Which category belongs to which class. Edit it as you like: a run takes it as it is, and says that it was "
            "edited."
        )
    )
    document["schema"] = PlanFile.SCHEMA
    document["made"] = plan.made
    if plan.asked is not None:
        document["asked"] = plan.asked
    if plan.between is not None:
        document["between"] = list(plan.between)
    if plan.doubtful:
        document["doubtful"] = [list(pair) for pair in plan.doubtful]
    if plan.edited_from != UNKNOWN_HASH:
        document["made_hash"] = plan.edited_from or partition_hash(plan)
    if plan.edited:
        document["edited"] = True
    classes = tomlkit.table()
    for category in sorted(plan.classes, key=lambda category: (plan.classes[category], category)):
        line = tomlkit.string(plan.classes[category])
        if category in plan.votes:
            line.comment(_one_line(plan.votes[category]))
        classes.add(tomlkit.key(category) if category else category, line)
    document["classes"] = classes
    write_table(path, document)


def read_plan(path: Path) -> MergePlan:
    """Read the plan of a file, with its comments as votes.

    Raises:
        BadData: It cannot be read, is not a plan, names a category twice, or a category has no class.
    """
    try:
        table = read_table(path, PlanFile)
    except BadData as error:
        repeated = _repeated_line(path)
        if repeated is None:
            raise
        raise BadData(f"{path} is not a merge plan: a category is in it twice: {repeated}", _HINT) from error
    spec = document_from_table(table, PlanFile, str(path))
    if not spec.classes:
        raise BadData(f"{path} is not a merge plan: it has no classes", _HINT)
    empty = sorted(category for category, name in spec.classes.items() if not name.strip())
    if empty:
        raise BadData(f"{path}: no class for: {', '.join(map(repr, empty))}", _HINT)
    classes = tomlkit.parse(read_regular_text(path))["classes"]
    comments = {category: classes[category].trivia.comment for category in spec.classes}
    votes = {category: comment.lstrip("# ") for category, comment in comments.items() if comment}
    plan = MergePlan(spec.classes, votes, spec.made, spec.asked, between=spec.between, doubtful=spec.doubtful)
    made_hash = spec.made_hash or (UNKNOWN_HASH if spec.made else "")
    return plan if made_hash in ("", partition_hash(plan)) else replace(plan, edited_from=made_hash)


def mark_edit(path: Path, plan: MergePlan) -> None:
    """Say in the file that the plan was edited, or no longer say so; `plan` is what was read from it."""
    document = tomlkit.parse(read_regular_text(path))
    if document.get("edited", False) == plan.edited:
        return
    if plan.edited:
        document["edited"] = True
    else:
        document.remove("edited")
    write_table(path, document)


def check_plan(plan: MergePlan, categories: Iterable[str]) -> None:
    """Raise BadData unless the plan names exactly these categories and gives each a class."""
    expected = set(categories)
    missing = sorted(expected - plan.classes.keys())
    complaints = [f"no class for {category}" for category in missing]
    for category in sorted(plan.classes.keys() - expected):
        near = difflib.get_close_matches(category, missing or sorted(expected), n=1)
        complaints.append(f"no such category: {category}" + (f" (perhaps {near[0]})" if near else ""))
    complaints += [f"an empty class for {category}" for category, name in plan.classes.items() if not name.strip()]
    if complaints:
        raise BadData("the plan does not fit: " + "; ".join(complaints), _HINT)


def _one_line(text: str) -> str:
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)


def _repeated_line(path: Path) -> str | None:
    """The first line that names a category again; None where there is none, or the file is not text."""
    try:
        text = read_regular_text(path)
    except (OSError, UnicodeDecodeError, BadData):
        return None
    categories: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            keys = tomllib.loads(line).keys()
        except tomllib.TOMLDecodeError:
            continue
        if keys & categories:
            return f"line {number}, {line.strip()}"
        categories |= keys
    return None
