"""README, CONTRIBUTING and the manual: up to date, complete, short, plain, and what they show works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kce.cli.docs import topics
from kce.hookspecs import KINDS
from kce.registry.registry import Registry
from kce.study.study_file import read_study
from kce.system.shipped import DOCS
from kce.testing import checks
from tests.conftest import REPOSITORY
from tests.support.documents import ADAPTER, CONTRIBUTING, MANUAL, PAGES, README, blocks, commands, help_of, rendered

Kce = Callable[..., subprocess.CompletedProcess[str]]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)

# What the glossary and CONTRIBUTING replaced; the changelog may name old words.
DIALECT = re.compile(
    r"\b(by lot|promises?|refused in words|held back|hold back|mend(able)?|anew|stand-ins?|stands in|faint|company"
    r"|dials?|patience|belongs to nothing)\b",
    re.IGNORECASE,
)

TEXT = {".css", ".html", ".j2", ".js", ".md", ".py", ".toml"}


@each_page
def test_what_repeats_the_code_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text, "run: python -m tests.support.documents"


@pytest.mark.parametrize(("page", "limit"), [(README, 250), (CONTRIBUTING, 150)], ids=["README", "CONTRIBUTING"])
def test_they_stay_short(page: Path, limit: int) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= limit


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        if file.startswith("https://"):
            continue
        linked = page.parent / file if file else page
        assert linked.is_file(), target
        # What lies in the wheel must not lead out of it.
        assert page not in MANUAL or linked in MANUAL, target
        if heading:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_contents_list_every_page() -> None:
    assert set(topics()) | {"index"} == {page.stem for page in MANUAL}
    assert all(about == about.strip().rstrip(".") for about in topics().values())


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "changelog"], ids=lambda page: page.stem)
def test_pages_use_plain_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [match.group() for match in DIALECT.finditer(text)] == []


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_uses_plain_words(name: str) -> None:
    text = " ".join(help_of(name).split())
    assert [match.group() for match in DIALECT.finditer(text)] == []


def test_code_uses_plain_words() -> None:
    """Names, messages, docstrings and comments of everything that is shipped."""
    listed = subprocess.run(["git", "ls-files", "kce", "plugins"], cwd=REPOSITORY, capture_output=True, check=True)
    paths = [REPOSITORY / name for name in listed.stdout.decode().splitlines() if Path(name).suffix in TEXT]
    offences = [
        f"{path.relative_to(REPOSITORY)}: {match.group()}"
        for path in paths
        if path.is_file() and path.stem != "changelog"
        for match in DIALECT.finditer(path.read_text(encoding="utf-8"))
    ]
    assert offences == ["kce/pipeline/recipe.py: patience"]  # the key that is refused with its new name


def test_every_command_kind_and_check_has_its_place() -> None:
    cli, components = ((DOCS / f"{topic}.md").read_text(encoding="utf-8") for topic in ("cli", "components"))
    for name, _ in commands():
        assert f"\n## kce {name}\n" in cli
    for kind in KINDS:
        assert f"\n### {kind}\n" in components
        for check in checks(kind):
            assert f"`{check.name}`" in components
        shipped = [row["name"] for row in Registry.shipped().list_components(kind) if row["source"] == "built-in"]
        assert shipped  # others may be installed, too
        for name in shipped:
            assert f"\n| `{name}` |" in components


def test_a_check_is_explained_once() -> None:
    checked = (DOCS / "components.md").read_text(encoding="utf-8").partition("\n## What is checked\n")[2]
    for check in {check.name for kind in KINDS for check in checks(kind)}:
        assert len(re.findall(rf"^\| `{check}` \|", checked, re.MULTILINE)) == 1, check


def test_the_adapter_that_is_shown_is_short() -> None:
    code = ADAPTER.read_text(encoding="utf-8")
    docstring = code[code.index('    """') : code.index('    """\n\n    name')]
    assert len([line for line in code.replace(docstring, "").splitlines() if line.strip()]) < 40


def test_the_first_plugin_works_as_printed(at: Path, kce_json: Callable[..., list[dict[str, str]]]) -> None:
    code = blocks(DOCS / "plugins.md", "python")[0]
    (at / "plugins").mkdir()
    (at / "plugins" / "halves.py").write_text(code)
    (at / "registry.toml").touch()
    rows = {row["name"]: row["status"] for row in kce_json("list", "clusterer")}
    assert rows["halves"] == "ok"
    clusterer = Registry.load(at).build("clusterer", "halves:axis=1")
    assert clusterer.fit_predict(np.array([[0, 1], [0, 5]])).tolist() == [0, 1]


@each_page
def test_toml_works_as_printed(page: Path, at: Path) -> None:
    for text in blocks(page, "toml"):
        if "[[group]]" in text:
            (at / "study.toml").write_text(text)
            assert read_study("study.toml").plans
        else:
            (at / "registry.toml").write_text(text)
            assert Registry.load(at).list_components()


@each_page
def test_commands_that_are_shown_parse(page: Path, kce_here: Kce) -> None:
    """Each fails for the data that is not here, never for the way it is written."""
    shown = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in shown.splitlines() if line.startswith("kce ")]
    for words in lines:
        if words[1] == "demo":  # tests/test_demo.py runs it
            continue
        study, bench = words[1] == "study", words[1] == "bench" and words[2] != "compare"
        dry = ["--dry-run", "--json"] if study or bench else []  # some would work, and take their minutes
        done = kce_here(*words[1:], *dry)
        assert "Usage:" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        works = words[1] in ("list", "show", "new") or (study and "--faces" not in words)
        works |= bench and not {"mine", "--truth"} & set(words)
        assert done.returncode == (0 if works else 2), (words, done.stderr)


def test_a_topic_is_shown_as_it_is_written(kce: Kce) -> None:
    done = kce("docs", "glossary")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (DOCS / "glossary.md").read_text(encoding="utf-8")


def test_topics_are_listed(kce: Kce, kce_json: Callable[..., list[dict[str, str]]]) -> None:
    assert {row["topic"]: row["about"] for row in kce_json("docs")} == topics()
    listed = kce("docs").stdout
    assert all(name in listed and about in listed for name, about in topics().items())


@pytest.mark.parametrize("topic", ["nosuch", "plugin", "../cli", "index", ""])
def test_an_unknown_topic_ends_with_a_hint(kce: Kce, topic: str) -> None:
    done = kce("docs", topic)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no topic of the manual named {topic!r}")
    assert "hint: " in done.stderr
    assert topic != "plugin" or "Did you mean 'plugins'?" in done.stderr


def test_in_a_terminal_a_topic_is_rendered(at: Path) -> None:
    pty = pytest.importorskip("pty")
    code = (
        "import os, pty, sys\n"
        "os.environ.update(PAGER='cat', TERM='xterm', COLUMNS='80')\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, '-m', 'kce', 'docs', 'glossary'])))\n"
    )
    assert pty
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=at, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert "Merge plan" in done.stdout
    assert "**Merge plan**" not in done.stdout
