"""Completion, in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shellingham
from typer.testing import CliRunner

from kce.cli.main import app

KCE = Path(sys.executable).parent / "kce"

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and KCE.exists()), reason="there is no bash, or no kce script"
)


def in_bash(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    # A command after kce, or bash would become kce, and no shell would have called it.
    environment = {**os.environ, "HOME": str(home), "PATH": f"{KCE.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "--norc", "-c", f"{script}\nstatus=$?; exit $status"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def completed(home: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words, once completion was installed."""
    line = f"COMP_WORDS=({' '.join(words)!s}); COMP_CWORD={len(words) - 1}"
    done = in_bash(home, f'source "$HOME/.bashrc"; {line}; _kce_completion kce; printf "%s\\n" "${{COMPREPLY[@]}}"')
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_bash_completes_commands_and_options_once_it_is_installed(tmp_path: Path) -> None:
    done = in_bash(tmp_path, "kce --install-completion")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    assert completed(tmp_path, "kce", "sc") == {"scan", "score"}
    assert completed(tmp_path, "kce", "bench", "co") == {"compare"}
    assert {"--unknown", "--backbone"} <= completed(tmp_path, "kce", "run", "--")


def test_the_script_can_be_installed_by_hand(tmp_path: Path) -> None:
    done = in_bash(tmp_path, "kce --show-completion")
    (tmp_path / ".bashrc").write_text(done.stdout)
    assert completed(tmp_path, "kce", "dem") == {"demo"}


@pytest.mark.parametrize("shell", ["tcsh", None])
def test_a_shell_without_completion_is_refused(shell: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def detect_shell() -> tuple[str, str]:
        if shell is None:
            raise shellingham.ShellDetectionFailure
        return shell, f"/bin/{shell}"

    monkeypatch.setattr(shellingham, "detect_shell", detect_shell)
    done = CliRunner().invoke(app, ["--show-completion"], prog_name="kce")
    assert done.exit_code == 2
    assert "hint: call the command in one of bash" in done.stderr
