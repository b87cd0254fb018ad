"""A recipe and a study to start from, with every choice explained."""

from __future__ import annotations

from collections.abc import Mapping

import tomlkit

from kce.pipeline.recipe import Recipe
from kce.system.starter import comment_lines, commented_keys

PLACEHOLDERS = ("CATEGORY-1", "CATEGORY-2")
_UNTIL_CHOSEN = f"Write names of categories instead of {' and '.join(PLACEHOLDERS)}."


def starter_recipe(faces: str, categories: Mapping[str, int]) -> str:
    """Write a recipe in which only the categories to hold out are still open.

    Args:
        faces: The face folder.
        categories: Its forged categories -> faces, listed in a comment; empty = not known yet.
    """
    parts = [
        *comment_lines(
            "The choices of a run: `kce run FOLDER --recipe FILE`. A key that is commented out has the value shown."
        ),
        *comment_lines(_UNTIL_CHOSEN),
        *_listed(categories),
        "schema = 1",
        "",
        commented_keys(Recipe, {"faces": faces, "unknown": PLACEHOLDERS}, leave_out=("resolved",)),
    ]
    return "\n".join(parts) + "\n"


def starter_study(categories: Mapping[str, int]) -> str:
    """Write a study of one network, three plans and one group whose categories are still open.

    Args:
        categories: The forged categories of the face folder -> faces, as in ``starter_recipe``.
    """
    held_out = tomlkit.item(list(PLACEHOLDERS)).as_string()
    shared = commented_keys(
        Recipe, {}, leave_out=("faces", "unknown", "known", "backbone", "plan", "seed", "resolved"), table="run"
    )
    parts = [
        *comment_lines("A study: `kce study FILE --faces FOLDER --to FOLDER`, and with --dry-run what it would do."),
        *comment_lines(_UNTIL_CHOSEN),
        *_listed(categories),
        "schema = 1",
        'title = "My study"',
        "",
        "# Name in the tables -> component.",
        "[backbone]",
        'resnet18 = "resnet18"',
        "",
        "# Plans that are compared; each may make other choices than [run], such as reducer, clusterer or k.",
        "[plan.none]",
        'plan = "none"',
        "",
        "[plan.name]",
        'plan = "name"',
        "",
        "[plan.clusters]",
        'plan = "clusters"',
        "",
        "# Categories that are held out together, at least two; all others train. Repeat the table for more groups.",
        "[[group]]",
        'name = "fold 1"',
        f"unknown = {held_out}",
        "",
        "# Choices that all runs share. A key that is commented out has the value shown.",
        shared,
    ]
    return "\n".join(parts) + "\n"


def _listed(categories: Mapping[str, int]) -> list[str]:
    if not categories:
        return []
    lines = [f"#   {tomlkit.item(name).as_string()}, {count} faces" for name, count in categories.items()]
    return ["#", "# The face folder has:", *lines]
