"""Writes the parts of the documents that repeat the code: ``python -m tests.support.documents``."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from typer.main import get_command
from typer.testing import CliRunner

import kce
from kce import types
from kce.api import schemas
from kce.audit.audit_report import WORDS, AuditReport
from kce.cli.main import app
from kce.data.catalog import describe_dataset
from kce.data.losses import Losses
from kce.data.scan import ScanReport
from kce.faces.tables import FaceRow
from kce.hookspecs import KINDS
from kce.merging.plan_file import PlanFile
from kce.pipeline.recipe import Evaluate, Recipe
from kce.pipeline.run_report import RunReport
from kce.registry import scaffold
from kce.registry.provenance import InstallSource
from kce.registry.registry import Registry, describe_component
from kce.registry.registry_file import RegistryTable
from kce.study.study_file import Study
from kce.system.field_docs import field_meanings
from kce.system.shipped import DOCS
from kce.testing import checks
from kce.testing.runner import PLUGIN_CHECKS
from kce.training.settings import TrainSettings
from tests.conftest import REPOSITORY
from tests.support.estimators import EXCEPTIONS
from tests.test_house import BELOW
from tests.test_public_names import NAMES, docstring, home

README = REPOSITORY / "README.md"
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
MANUAL = sorted(DOCS.glob("*.md"))
PAGES = [README, CONTRIBUTING, *MANUAL]

ADAPTER = REPOSITORY / "plugins" / "datasets" / "uadfv.py"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its name, with what typer made of it."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {under}", part) for under, part in inner.items()) if inner else ((name, command),)


def help_of(name: str) -> str:
    """What ``kce NAME --help`` prints, at a fixed width: it would change with the terminal it is written in."""
    environment = {"COLUMNS": "110", "NO_COLOR": "1"}
    return CliRunner().invoke(app, [*name.split(), "--help"], prog_name="kce", env=environment).output.strip()


def command_help() -> str:
    return "\n\n".join(f"## kce {name}\n\n```text\n{help_of(name)}\n```" for name, _ in commands())


def command_table() -> str:
    return table(["command", "what it does"], [[f"`kce {name}`", sentence(part.help)] for name, part in commands()])


def package_map() -> str:
    rows = []
    for package, below in BELOW.items():
        if package not in ("contract", "__main__"):
            about = sentence(importlib.import_module(f"kce.{package}").__doc__).rstrip(".")
            rows.append([f"`kce/{package}`", about, ", ".join(name for name in below.split() if name != "contract")])
    return table(["package", "what lives there", "may import the contract and"], rows)


def shipped_names(kind: str) -> list[str]:
    """The names of the built-in components, whatever else is installed."""
    return [row["name"] for row in Registry.shipped().list_components(kind) if row["source"] == "built-in"]


def names() -> str:
    return table(["kind", "names"], [[kind, code(shipped_names(kind))] for kind in KINDS])


def components() -> str:
    registry = Registry.shipped()
    chapters = []
    for kind in KINDS:
        rows = []
        for name in shipped_names(kind):
            facts = list(describe_dataset(registry, name).values()) if kind == "dataset" else []
            rows.append([f"`{name}`", sentence(describe_component(registry, kind, name)["doc"]), *facts])
        head = ["name", "what it is", *(("methods", "media", "licence") if kind == "dataset" else ())]
        chapters.append(f"### Built-in: {kind}\n\n{table(head, rows)}")
    return "\n\n".join(chapters)


def common_checks() -> str:
    by_name = {check.name: check for kind in KINDS for check in checks(kind)}
    everywhere = [[f"`{check.name}`", check.text] for check in by_name.values() if set(check.kinds) >= set(KINDS)]
    several = [
        [f"`{check.name}`", check.text, ", ".join(kind for kind in KINDS if kind in check.kinds)]
        for check in by_name.values()
        if 1 < len(set(check.kinds)) < len(KINDS)
    ]
    plugin = [[f"`{name}`", text] for name, text in PLUGIN_CHECKS.items()]
    return "\n\n".join(
        [
            "### Every plugin\n\n" + table(["check", "what must hold"], plugin),
            "### Every kind of component\n\n" + table(["check", "what must hold"], everywhere),
            "### Several kinds\n\n" + table(["check", "what must hold", "kinds"], several),
        ]
    )


FURTHER_PROTOCOLS = {"aligner": (types.StreamAligner,), "clusterer": (types.ConstrainedClusterer,)}
"""Kind -> what a component of it may do besides."""


def kinds() -> str:
    chapters = []
    for kind in KINDS:
        protocols = [getattr(types, kind.capitalize()), *FURTHER_PROTOCOLS.get(kind, ())]
        sources = "\n\n".join(inspect.getsource(one).removeprefix("@runtime_checkable\n") for one in protocols)
        own = [[f"`{check.name}`", check.text] for check in checks(kind) if check.kinds == (kind,)]
        shared = [check.name for check in checks(kind) if 1 < len(set(check.kinds)) < len(KINDS)]
        files = scaffold.package_files(kind, f"my-{kind}", "The author", 2026, InstallSource())
        example = files[f"kce_my_{kind}.py"].decode()
        parts = [
            f"### {kind}\n\nHook: `kce_{kind}s`. The protocol, from `kce/types.py`:\n\n```python\n{sources}```",
            f"Checks it shares with other kinds: {code(shared)}." if shared else "",
            "Checks of this kind only:\n\n" + table(["check", "what must hold"], own) if own else "",
            f"A complete one, as `kce new {kind} my-{kind}` writes it:\n\n```python\n{example}```",
        ]
        chapters.append("\n\n".join(part for part in parts if part))
    return "\n\n".join(chapters)


def estimator_checks() -> str:
    rows = [[f"`{name}`", f"`{check}`", why] for name, own in EXCEPTIONS.items() for check, why in own.items()]
    return table(["component", "check", "why it is not passed"], rows)


def hooks() -> str:
    from kce import hookspecs

    rows = [[f"`kce_{kind}s`", kind, sentence(getattr(hookspecs, f"kce_{kind}s").__doc__)] for kind in KINDS]
    return table(["hook", "kind", "what it does"], rows)


def adapter() -> str:
    return f"```python\n{ADAPTER.read_text(encoding='utf-8')}```"


def tree_attributes() -> str:
    return table(["attribute", "meaning"], [[f"`{name}`", text] for name, text in field_meanings(kce.Tree).items()])


def recipe_keys() -> str:
    """The keys of a recipe with their defaults, table by table."""
    return "\n\n".join(
        f"Keys {where}:\n\n{_keys(model, *left_out)}"
        for where, model, left_out in (
            ("at the top", Recipe, ("train", "evaluate", "resolved")),
            ("of `[train]`", TrainSettings, ("seed",)),
            ("of `[evaluate]`", Evaluate, ()),
        )
    )


def _keys(model: Any, *left_out: str) -> str:
    meanings = field_meanings(model)
    keys = [key for key in dataclasses.fields(model) if key.name not in left_out]
    return table(["key", "default", "meaning"], [[f"`{k.name}`", _toml(k.default), meanings[k.name]] for k in keys])


def _toml(value: Any) -> str:
    """A default as it is written in TOML; nothing for None and what has to be given."""
    if value is None or value is dataclasses.MISSING:
        return ""
    return f"`{json.dumps(value)}`"


def study_keys() -> str:
    """The keys at the top of a study file."""
    meanings = field_meanings(Study)
    keys = [key for key in msgspec.structs.fields(Study) if key.name in meanings]
    return table(["key", "meaning"], [[f"`{key.encode_name}`", meanings[key.name]] for key in keys])


def public_names() -> str:
    rows = [(f"{package}.{name}", docstring(home(package, name), name)) for package, name in sorted(NAMES)]
    return table(["name", "what it is"], [[f"`{name}`", sentence(text)] for name, text in rows])


def registry_keys() -> str:
    return _meanings(RegistryTable)


def audit_words() -> str:
    return table(["word", "meaning"], [[word, meaning] for word, meaning in WORDS.items()])


def audit_keys() -> str:
    return _meanings(AuditReport)


def schema_names() -> str:
    rows = [[f"`{name}`", about] for name, about in schemas.schema_names().items()]
    return table(["schema", "of"], rows)


def plan_keys() -> str:
    return _meanings(PlanFile)


def face_columns() -> str:
    return _meanings(FaceRow)


def scan_keys() -> str:
    return _meanings(ScanReport, Losses)


def run_keys() -> str:
    return _meanings(RunReport)


def _meanings(*models: Any) -> str:
    meanings = [item for model in models for item in field_meanings(model).items()]
    return table(["key", "meaning"], [[f"`{key}`", text] for key, text in meanings])


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def code(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def sentence(docstring: str | None) -> str:
    """The first paragraph of a docstring, up to the end of its first sentence, on one line."""
    paragraph = " ".join((docstring or "").strip().partition("\n\n")[0].split())
    return re.split(r"(?<!et al[.])(?<=[.?!])\s", paragraph, maxsplit=1)[0].replace("``", "`")


PARTS: dict[str, Callable[[], str]] = {
    "adapter": adapter,
    "audit-keys": audit_keys,
    "audit-words": audit_words,
    "checks": common_checks,
    "command-help": command_help,
    "commands": command_table,
    "components": components,
    "estimator-checks": estimator_checks,
    "face-columns": face_columns,
    "hooks": hooks,
    "kinds": kinds,
    "map": package_map,
    "names": names,
    "plan-keys": plan_keys,
    "public-names": public_names,
    "recipe-keys": recipe_keys,
    "registry-keys": registry_keys,
    "run-keys": run_keys,
    "scan-keys": scan_keys,
    "schema-names": schema_names,
    "study-keys": study_keys,
    "tree-attributes": tree_attributes,
}


def rendered(text: str) -> str:
    """The text with its generated parts as they should be."""
    for name, part in PARTS.items():
        begin = f"<!-- generated by `python -m tests.support.documents`: {name} -->"
        pattern = re.compile(re.escape(begin) + r".*?<!-- end -->", re.DOTALL)
        if begin in text:
            fresh = f"{begin}\n{part()}\n<!-- end -->"
            text = pattern.sub(lambda _, fresh=fresh: fresh, text)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
