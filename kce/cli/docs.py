"""The command that shows the manual."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from kce.cli.console import print_json, print_line, print_markdown, print_table
from kce.cli.options import AsJson
from kce.errors import UnknownName
from kce.system.shipped import DOCS

_TOPIC = re.compile(r"^- \[(.+?)\]\((.+?)\.md\): (.+)$", re.MULTILINE)


def docs(
    topic: Annotated[str | None, typer.Argument(help="A topic; without one, the topics are listed.")] = None,
    schema: Annotated[
        str | None, typer.Option(help="Print the JSON Schema of a file's layout; `kce docs layouts` lists them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a topic of the manual."""
    if schema is not None:
        from kce.api import schemas

        return print_json(schemas.schema(schema))
    known = topics()
    if topic is None:
        rows = [{"topic": name, "about": about} for name, about in known.items()]
        if as_json:
            return print_json(rows)
        print_table(["topic", "about"], [[row["topic"], row["about"]] for row in rows], prose=["about"])
        return print_line("Read one with `kce docs TOPIC`.")
    if topic not in known:
        raise UnknownName.among("topic of the manual", topic, known, "`kce docs` says what each is about")
    text = (DOCS / f"{topic}.md").read_text(encoding="utf-8")
    return print_json({"topic": topic, "markdown": text}) if as_json else print_markdown(text)


def topics() -> dict[str, str]:
    """Topic -> what it is about, in reading order, as the manual's table of contents lists them."""
    contents = (DOCS / "index.md").read_text(encoding="utf-8")
    return {name: about for _, name, about in _TOPIC.findall(contents)}
