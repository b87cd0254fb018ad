from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from kce.cli.app import App
from kce.errors import KCEError
from tests.support.corpus import KNOWN, UNKNOWN, face_folder

Kce = Callable[..., subprocess.CompletedProcess[str]]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_list_and_show(kce_json: Callable[..., object], kce: Kce) -> None:
    rows = kce_json("list", "clusterer")
    assert {row["name"] for row in rows} >= {"kmeans", "hdbscan", "gaussian-mixture", "agglomerative", "dbscan"}  # type: ignore[attr-defined]
    assert set(rows[0]) == {"kind", "name", "plugin", "factory", "source", "status", "error"}  # type: ignore[index]
    shown = kce("show", "clusterer", "kmeans")
    assert shown.returncode == 0
    assert "n_clusters" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scan", "CelebDFv9", "--root", "."], "Did you mean 'CelebDFv"),
        (["scan", "folder", "--root", "nowhere"], "nowhere"),
        (["scan", "folder", "--root", "."], "hint:"),
        (["cut", "folder", "--root", "nowhere", "--to", "faces"], "nowhere"),
        (["run", "r", "--faces", "nowhere", "--unknown", "a"], "nowhere"),
        (["run", "r"], "no face folder"),
        (["run", "r", "stray"], "unexpected argument 'stray'"),
        (["run", "r", "typo", "--faces", "f", "--unknown", "a"], "unexpected argument 'typo'"),
        (["score", "no.h5:/known", "stray", "--evaluator", "silhouette"], "unexpected argument 'stray'"),
        (["score", "no.h5:/known"], "no.h5"),
        (["score", "no.h5"], "hint:"),
        (["show", "clusterer", "kmean"], "Did you mean 'kmeans'"),
        (["list", "clusterers"], "Did you mean 'clusterer'"),
        (["list", "clusterer", "--plugins"], "unexpected argument 'clusterer'"),
        (["list", "clusterer", "reducer"], "unexpected argument 'reducer'"),
    ],
)
def test_what_the_user_can_mend_ends_with_2_and_a_message(kce_here: Kce, words: list[str], message: str) -> None:
    said = refused(kce_here(*words))
    assert message in said
    assert said.startswith("error: ")


def test_debug_shows_the_traceback(kce: Kce) -> None:
    done = kce("show", "clusterer", "kmean", env={"KCE_DEBUG": "1"})
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_scan_that_fails_shows_what_it_found(at: Path, kce: Kce) -> None:
    names = ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4", "Celeb-synthesis/strange.mp4"]
    for name in names:
        (at / "Celeb-DF-v2" / name).parent.mkdir(parents=True, exist_ok=True)
        (at / "Celeb-DF-v2" / name).touch()
    done = kce("scan", "CelebDFv2", "--root", ".", "--json")
    report = json.loads(done.stdout)
    assert refused(done).endswith(f"error: {report['error']}\nhint: {report['hint']}\n")
    assert report["samples"] == 2
    assert "strange.mp4" in report["unparsed"][0]
    table = kce("scan", "CelebDFv2", "--root", ".")
    assert refused(table)
    assert "CelebDFv2_FaceSwapPRO" in table.stdout


def raising(error: BaseException) -> App:
    app = App(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KCEError("it is wrong", "mend it"), 2, "error: it is wrong\nhint: mend it\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "hint:"),
        (FileNotFoundError(errno.ENOENT, "No such file", "runs/a/x"), 2, "error: runs/a/x: it does not exist\nhint: "),
        (OSError(errno.ESTALE, "Stale file handle", "x"), 2, "stale file handle"),
        (OSError("a library's own words"), 2, "error: a library's own words\nhint: "),
        (UnicodeEncodeError("ascii", "조", 0, 1, "no"), 2, "set PYTHONUTF8=1"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "no"), 2, "not valid UTF-8: 'a\\udcff'\nhint: "),
        (typer.Exit(0), 0, ""),
    ],
)
def test_exit_status(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["kce"])
    with pytest.raises(SystemExit) as left:
        raising(error)()
    assert left.value.code == status
    assert said in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["kce"])
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError("ours"))()


def test_a_whole_run_by_commands(at: Path, kce: Kce, kce_here: Kce) -> None:
    face_folder(at)
    choices = [
        "--faces",
        "faces",
        "--backbone",
        "tiny:size=16,width=2",
        "--reducer",
        "pca:n_components=4",
        "--epochs",
        "1",
    ]
    words = ["run", "runs/a", "--unknown", *UNKNOWN, *choices]
    assert kce(*words, "--until", "plan").returncode == 0
    assert not (at / "runs/a/final.safetensors").exists()
    found = json.loads(kce_here("run", "runs/a", "--json").stdout)  # the folder knows its recipe
    assert set(found["plan"]) == set(KNOWN)
    report = json.loads((at / "runs/a/report.json").read_text())
    assert report["scores"] == found["scores"]
    assert (at / "runs/a/report.html").is_file()
    assert "other choices" in refused(kce_here(*words, "--seed", "5"))
    evaluators = ["--evaluator", "silhouette", "davies-bouldin"]
    scored = json.loads(kce_here("score", "runs/a/features.h5:/unknown", *evaluators, "--json").stdout)
    assert set(scored["scores"]) == {"silhouette", "davies-bouldin"}
    assert {"n", "seed", "scores"} <= set(scored)
    assert "it has: /known, /unknown" in refused(kce_here("score", "runs/a/features.h5:/nothing"))
    table = kce_here("run", "runs/a")
    assert re.search(r"calinski_harabasz\s+\S+\s+\S+ to \S+\s+\d+\s+0", table.stdout), table.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # Ctrl-C; a batch system that ends its jobs
def test_interrupted_it_says_130_and_goes_on(at: Path, number: int) -> None:
    face_folder(at)
    words = ["run", "r", "--faces", "faces", "--unknown", *UNKNOWN, "--backbone", "tiny:size=32", "--epochs", "400"]
    command = [sys.executable, "-m", "kce", *words, "--json"]
    process = subprocess.Popen(command, cwd=at, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (at / "r" / "train.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, number)
    answer, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert json.loads(answer) == {"error": "interrupted", "hint": "the same command continues where it stopped"}
    assert "Traceback" not in said
    assert "continues where it stopped" in said
    assert (at / "r" / "first.safetensors.resume").is_file()
