"""A virtual environment that holds the wheel of KCE, and packages installed beside it as an outsider's are."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.conftest import REPOSITORY


def made(at: Path) -> Path:
    """A new one in `at`. The libraries behind KCE are borrowed from the environment the tests run in."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", at / "venv"], check=True)
    install(at / "venv", own_wheel())
    (site,) = (at / "venv" / "lib").glob("python3*/site-packages")
    folders = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    (site / "libraries.pth").write_text("".join(f"{folder}\n" for folder in folders))
    return at / "venv"


_dist = tempfile.TemporaryDirectory(prefix="kce-dist-")


@cache
def own_wheel() -> Path:
    """The wheel of KCE, which is built once."""
    return wheel(REPOSITORY, Path(_dist.name))


def wheel(project: Path, to: Path) -> Path:
    """Build a project: its sdist, and the wheel from that, so that what an sdist forgets is seen."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", to, project]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return max(to.glob("*.whl"), key=lambda path: path.stat().st_mtime)


def install(environment: Path, *packages: Path) -> None:
    """Install wheels, or folders with a project; what they depend on must be there."""
    _pip(["--python", environment / "bin" / "python"], packages)


def install_into(folder: Path, *packages: Path) -> None:
    """Install wheels into a folder that can be put on a path."""
    _pip([], packages, "--target", folder)


def _pip(options: list[str | Path], packages: Sequence[Path], *more: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", *options, "install", "--no-deps", "--no-index", "--no-build-isolation", *more]
    done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def call(environment: Path, at: Path, *words: str | Path) -> str:
    """What a command says that must succeed."""
    command = [environment / "bin" / "kce", *words]
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
