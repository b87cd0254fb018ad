"""How the merge plan fares as the datasets' storage differs more: prints JSON, ARI of the plan against the truth.

``python tests/benchmarks/artefact.py [FOLDER]``: worlds of `kce demo` at several settings of the dial `artefact`, each
with several seeds, up to the plan, by the recipe of the demo. About half a minute a world on two cores; what is in
FOLDER already is used again. The plan by names is the control.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from pathlib import Path

from sklearn.metrics import adjusted_rand_score

from kce.demo import DEMO_RECIPE
from kce.faces.cut import cut
from kce.merging.plan_file import read_plan
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.registry.registry import Registry

ARTEFACTS = (0.0, 0.1, 0.25, 0.5, 1.0)
SEEDS = (0, 1, 2)


def agreement(folder: Path, artefact: float, seed: int) -> dict[str, float]:
    """ARI of the plan by clusters and of the plan by names in one world."""
    registry = Registry.load(Path("/"))
    told = tomllib.loads(DEMO_RECIPE.read_text(encoding="utf-8"))
    world = registry.build("dataset", f"world:artefact={artefact}", root=folder / "world", seed=seed)
    cut(world, folder / "faces", seed=seed, **told["cut"])
    chosen = recipe_from_table({**told["run"], "faces": str(folder / "faces"), "seed": seed}, str(DEMO_RECIPE))
    truth = tomllib.loads((folder / "world" / "truth.toml").read_text(encoding="utf-8"))["method"]
    found = {}
    for plan in ("clusters", "name"):
        run(folder / plan, chosen.changed(plan=plan), registry, until="plan")
        classes = read_plan(folder / plan / "plan.toml").classes
        found[plan] = float(adjusted_rand_score([truth[c] for c in classes], list(classes.values())))
    return found


def main(folder: Path) -> None:
    found = {
        str(artefact): [agreement(folder / f"{artefact}-{seed}", artefact, seed) for seed in SEEDS]
        for artefact in ARTEFACTS
    }
    print(json.dumps({"seeds": SEEDS, "ari": found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
