"""Parts of third parties in a run: one that breaks a check ends its run with its name, and nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from kce.errors import CheckFailed, KCEError
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.registry.validation import METHODS
from kce.testing.probes import same, table
from tests.registry.test_registry import write
from tests.support.corpus import face_folder, small_study
from tests.testing.test_checks import plugin


def registry(at: Path, kind: str, factory: str) -> Registry:
    return plugin(at, "mine", kind, factory)


@pytest.mark.parametrize(
    ("kind", "factory", "check"),
    [
        ("clusterer", "Prints", "silent"),
        ("clusterer", "PrintsFromC", "silent"),
        ("clusterer", "Reseeds", "random-state"),
        ("reducer", "ReseedsPython", "random-state"),
        ("clusterer", "Hushes", "warnings"),
        ("clusterer", "TakesThreads", "threads"),
        ("reducer", "SetsTheEnvironment", "threads"),
        ("clusterer", "WrongShape", "shape"),
        ("clusterer", "WrongType", "type"),
        ("reducer", "View", "own-memory"),
        ("clusterer", "Hangs", "time-limit"),
        ("clusterer", "Exits", "no-exit"),
        ("clusterer", "ExitsAtOnce", "no-exit"),
        ("evaluator", "Words", "type"),
    ],
)
def test_a_broken_promise_names_part_plugin_and_promise(at: Path, kind: str, factory: str, check: str) -> None:
    own = registry(at, kind, factory)
    state, environment = random.getstate(), dict(os.environ)

    def ask() -> None:
        timeout = 3 if factory == "Hangs" else 0
        with isolation.component(own.resolve(kind, "mine"), own, timeout) as part:
            given = table() if kind == "evaluator" else table().x
            for _ in range(2):  # the first time torch is imported, and nobody else's threads are changed
                getattr(part, METHODS[kind])(given)

    with pytest.raises(CheckFailed) as error:
        ask()
    assert error.value.check == check
    assert f"{kind} 'mine' (plugin mine, " in error.value.message
    assert repr(check) in error.value.message
    assert f"kce check {kind} mine" in error.value.hint
    assert (random.getstate(), dict(os.environ)) == (state, environment)


def test_a_sound_part_answers_as_it_would_here(at: Path) -> None:
    from tests.support.faulty import Sound

    own, given = registry(at, "clusterer", "Sound"), table()
    with isolation.component(own.resolve("clusterer", "mine:n_clusters=3"), own) as part:
        found = [part.fit_predict(given.x) for _ in range(2)]
    here = Sound(3).fit_predict(given.x)
    assert all(same(one, here) for one in found)


def test_what_a_part_refuses_is_told_as_it_says_it(at: Path) -> None:
    own = registry(at, "clusterer", "Sound")
    with (
        pytest.raises(KCEError, match="too few rows") as error,
        isolation.component(own.resolve("clusterer", "mine"), own) as part,
    ):
        part.fit_predict(np.ones((1, 4), np.float32))
    assert error.value.hint == "take more"


def test_any_other_error_of_a_third_party_is_its_authors(at: Path) -> None:
    own = registry(at, "reducer", "NeedsRows")
    with (
        pytest.raises(KCEError, match=r"reducer 'mine' \(plugin mine, .*\) fails with IndexError"),
        isolation.component(own.resolve("reducer", "mine"), own) as part,
    ):
        part.fit_transform(np.ones((0, 4), np.float32))


@pytest.mark.parametrize(("kind", "name"), [("aligner", "none"), ("reducer", "pca"), ("clusterer", "kmeans")])
def test_built_in_parts_are_asked_here(kind: str, name: str) -> None:
    own, given = Registry.load(Path("/")), table()
    with isolation.component(own.resolve(kind, name), own) as part:
        answer = part.align(given) if kind == "aligner" else getattr(part, METHODS[kind])(given.x)
    assert len(answer) == len(given)


@pytest.mark.parametrize(
    ("code", "check"),
    [
        ("return faces.mean(dim=(2, 3))", "shape"),
        ("return faces.mean(dim=(2, 3)).numpy()", "type"),
        ("print('forward'); return faces.mean(dim=(1, 2, 3))[:, None]", "silent"),
        ("import os; os._exit(0)", "no-exit"),
        ("import torch; torch.manual_seed(0); return faces.mean(dim=(1, 2, 3))[:, None]", "random-state"),
        ("return faces.mean(dim=(1, 2, 3))[:, None]", ""),
    ],
)
def test_a_network_is_tried_before_it_is_trained(at: Path, code: str, check: str) -> None:
    own = write(
        at,
        mine="from kce import hookimpl\n\ndef net(size: int = 16):\n    from torch import nn\n"
        "    class Net(nn.Module):\n        size, dim = 16, 1\n"
        f"        def forward(self, faces):\n            {code}\n"
        "    return Net()\n\n@hookimpl\ndef kce_backbones():\n    return {'mine': net}\n",
    )
    if not check:
        isolation.check_backbone(own.resolve("backbone", "mine"), own)
        return
    with pytest.raises(CheckFailed) as error:
        isolation.check_backbone(own.resolve("backbone", "mine"), own)
    assert error.value.check == check


def test_the_price_of_a_study_does_without_a_network_that_fails(at: Path) -> None:
    from kce.study import study

    own = registry(at, "backbone", "ends_the_process")
    told = small_study(at, backbones='lost = "mine"')
    plan = study.prepare_study(str(told), at / "out", own, faces=face_folder(at))
    assert len(plan.runs) == 2
    assert study.estimate_cost(plan, 1).trainings >= 1


@pytest.mark.slow
def test_in_a_study_it_ends_its_run_alone(at: Path) -> None:
    from kce.study import study

    own = registry(at, "clusterer", "Prints")
    faces = face_folder(at)
    told = small_study(at, plans='[plan.faulty]\nclusterer = "mine"')
    plan = study.prepare_study(str(told), at / "out", own, faces=faces)
    engine = own.build("engine", "local:runs=2,threads=1")
    try:
        tasks = study.run_study(plan, engine, lambda _: None)
    finally:
        engine.stop()
    failed = {name: task.error for name, task in tasks.items() if task.state == "failed"}
    assert failed
    assert all("faulty" in name for name in failed)
    assert {task.state for name, task in tasks.items() if "/none" in name} == {"done"}
    error = failed["group-1/seed-0/tiny/faulty: plan"]
    assert "clusterer 'mine' (plugin mine, " in error
    assert "'silent'" in error
