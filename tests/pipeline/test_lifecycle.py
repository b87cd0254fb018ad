"""What happens to a plugin at each stage of a run: the manual says it, and a plugin that takes notes proves it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from kce.system.shipped import DOCS
from tests.registry.test_registry import write
from tests.support.corpus import small_recipe

NOTES = """
import os
import numpy as np
from kce import hookimpl

def note(what):
    with open(os.environ["NOTES"], "a") as file:
        file.write(what + "\\n")

note("import")

class Aligner:
    def __init__(self):
        note("aligner built")
    def align(self, features):
        note("aligner asked")
        return features.x.copy()

class Reducer:
    def __init__(self):
        note("reducer built")
    def fit_transform(self, x):
        note("reducer asked")
        return x[:, :8].copy()

class Clusterer:
    def __init__(self, n_clusters: int = 2):
        note("clusterer built")
        self.n_clusters = n_clusters
    def fit_predict(self, x):
        note("clusterer asked")
        return np.arange(len(x)) % self.n_clusters

class Evaluator:
    def __init__(self):
        note("evaluator built")
    def score(self, features, plan=None):
        note("evaluator asked")
        return {"rows": float(len(features))}

def backbone():
    from torch import nn
    note("backbone built")
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.size, self.dim = 32, 16
            self.inner = nn.Conv2d(3, 16, 8, stride=8)
        def forward(self, faces):
            note("backbone trained" if self.training else "backbone asked")
            return self.inner(faces).mean(dim=(2, 3))
    return Net()

def offer(kind, factory):
    note("hooks")
    return {"noting": factory}

@hookimpl
def kce_backbones(): return offer("backbone", backbone)
@hookimpl
def kce_aligners(): return offer("aligner", Aligner)
@hookimpl
def kce_reducers(): return offer("reducer", Reducer)
@hookimpl
def kce_clusterers(): return offer("clusterer", Clusterer)
@hookimpl
def kce_evaluators(): return offer("evaluator", Evaluator)
"""


def stages() -> list[str]:
    """The ordered list of the manual."""
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    chapter = text.partition("## What happens to a plugin in a run")[2].partition("\n## ")[0]
    return re.findall(r"^[0-9]+\. \*\*([^*]+)\*\*", chapter, re.MULTILINE)


def test_a_run_goes_through_the_stages_that_are_written_down(
    kce: Callable[..., subprocess.CompletedProcess[str]], at: Path
) -> None:
    write(at, noting=NOTES)
    parts = dict.fromkeys(("backbone", "aligner", "reducer", "clusterer"), "noting")
    small_recipe(at, {"reducer": "noting", "evaluators": ["noting"], "per_category": 8, "resamples": 3}, **parts)
    done = kce("run", "out", "--recipe", "recipe.toml", env={"NOTES": str(at / "notes")})
    assert done.returncode == 0, done.stderr
    notes = [*dict.fromkeys(line for line in (at / "notes").read_text().splitlines() if line in ("import", "hooks"))]
    notes += [line for line in (at / "notes").read_text().splitlines() if line not in ("import", "hooks")]
    assert [note for note, _ in groupby(notes)] == stages()
