"""Whole commands on stored features, against principal components alone: prints JSON.

    python -m tests.benchmarks.stages [RUN_ROWS [SCORE_ROWS]]

`run`: ``kce run --until plan`` of RUN_ROWS x 2048 known features that exist with their first model, by ``pca`` and the
default clusterer, and with the aligner ``dataset-centre`` besides; `pca` is the reducer alone on the same table.
`score`: ``kce score`` of SCORE_ROWS x 2048 with ``pca`` and the Calinski-Harabasz index with its interval; `bare` sums
the covariance over batches with numpy and h5py, and projects. Seconds of commands are those of their processes, start
and imports included; those of `pca` and `bare` are without. MiB are peaks of resident memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import pca
from tests.benchmarks.tables import FIRST_MODEL, make_folder, measure

_BACKBONE = "tiny:size=16,width=1"  # its weights are not loaded, only its name counts


def time_runs(at: Path, rows: int) -> dict[str, object]:
    """Measure runs up to their plan."""
    from kce.study.study_file import read_study

    categories = sorted(read_study("sun2023").categories)
    unknown = categories[::8]
    faces = make_folder(at / "faces", categories, rows * len(categories) // (len(categories) - len(unknown)))
    made = at / "made"
    measure("-c", FIRST_MODEL, str(faces), str(made), str(pca.DIM), _BACKBONE, *unknown)
    result: dict[str, object] = {"rows": rows, "pca": pca.measure("kce", made / "features.h5")}
    for aligner in ("none", "dataset-centre"):
        (made / "plan.toml").unlink(missing_ok=True)
        (made / "recipe.toml").unlink(missing_ok=True)
        choices = ("--backbone", _BACKBONE, "--aligner", aligner, "--until", "plan", "--unknown", *unknown)
        result[f"aligner {aligner}"] = measure("-m", "kce", "run", str(made), "--faces", str(faces), *choices)
    return result


def time_score(at: Path, rows: int) -> dict[str, object]:
    """Measure ``kce score``."""
    table = at / "score.h5"
    pca.write_rows(table, rows)
    command = ("-m", "kce", "score", f"{table}:/known", "--reducer", "pca", "--evaluator", "calinski-harabasz")
    return {"rows": rows, "bare": pca.measure("bare", table), "kce score": measure(*command)}


def main(run_rows: int = 540_000, score_rows: int = 60_000) -> None:
    """Measure, and print JSON."""
    with tempfile.TemporaryDirectory() as at:
        result = {"score": time_score(Path(at), score_rows), "run": time_runs(Path(at), run_rows)}
    print(json.dumps(result, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
