"""What the tests share: one thread each, and a shell in an empty folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Small machines spin when every library starts a thread per core; set before any of them is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for a hub must fail at once, not after its retries
# A shell has its background jobs ignore Ctrl-C, and their children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does, and the first one pays for imports.
settings.register_profile("kce", deadline=None)
settings.load_profile("kce")

# What KCE keeps for later comes from these tests, and goes with them.
_usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
for _variable, _folder in (("MPLCONFIGDIR", "matplotlib"), ("TORCH_HOME", "torch"), ("HF_HOME", "huggingface")):
    os.environ.setdefault(_variable, str(_usual / _folder))  # fonts and weights stay where they are
_cache = tempfile.TemporaryDirectory(prefix="kce-cache-")
os.environ["XDG_CACHE_HOME"] = _cache.name

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kce(at: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The real command, in a process of its own, in an empty folder."""

    def call(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kce", *map(str, words)],
            cwd=at,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


@pytest.fixture
def kce_here(at: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in this process, which has loaded the libraries already: for tests that are not about the process."""

    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        from typer.testing import CliRunner

        from kce.cli import app

        given = [*map(str, words)]
        done = CliRunner().invoke(app, given, prog_name="kce")
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        return subprocess.CompletedProcess(given, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def kce_json(kce: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., Any]:
    """The parsed JSON of a command that must succeed."""

    def call(*words: str | Path) -> Any:
        done = kce(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
