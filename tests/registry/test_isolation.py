"""Components in a run: what is wrong ends the run with a name, what is untidy is undone and reported once."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kce.errors import BadData, CheckFailed, KCEError
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.registry.validation import METHODS, takes_cannot_link
from kce.testing.probes import blob_features, identical
from tests.registry.test_registry import write
from tests.support.corpus import face_folder, small_study
from tests.testing.test_checks import plugin


def registry(at: Path, kind: str, factory: str) -> Registry:
    return plugin(at, "mine", kind, factory)


def call_twice(registry: Registry, kind: str, timeout: float = 0, *, isolate: bool = True) -> list[Any]:
    with isolation.component(registry.resolve(kind, "mine"), registry, timeout, isolate=isolate) as component:
        given = blob_features() if kind == "evaluator" else blob_features().x
        return [getattr(component, METHODS[kind])(given) for _ in range(2)]


@pytest.mark.parametrize(
    ("kind", "factory", "check"),
    [
        ("clusterer", "WrongShape", "shape"),
        ("reducer", "LosesARow", "shape"),
        ("clusterer", "WrongType", "type"),
        ("clusterer", "Floats", "type"),
        ("reducer", "AnswersNaN", "finite"),
        ("clusterer", "Hangs", "time-limit"),
        ("clusterer", "Exits", "no-exit"),
        ("clusterer", "ExitsAtOnce", "no-exit"),
        ("clusterer", "ends_the_process", "no-exit"),
        ("evaluator", "Words", "type"),
        ("evaluator", "ScoresNaN", "finite"),
    ],
)
def test_what_makes_a_result_wrong_ends_the_run_with_its_name(at: Path, kind: str, factory: str, check: str) -> None:
    own = registry(at, kind, factory)
    with pytest.raises(CheckFailed) as error:
        call_twice(own, kind, 3 if factory == "Hangs" else 0)
    assert error.value.check == check
    assert f"{kind} 'mine' (plugin mine, " in error.value.message
    assert repr(check) in error.value.message
    assert f"kce check {kind} mine" in error.value.hint


@pytest.mark.parametrize("isolate", [True, False], ids=["isolated", "in this process"])
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
        ("reducer", "View", "own-memory"),
    ],
)
def test_what_is_untidy_is_undone_and_reported_once(
    at: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    factory: str,
    check: str,
    isolate: bool,
) -> None:
    own = registry(at, kind, factory)
    state, numpy_state, threads = random.getstate(), np.random.get_state(), os.environ.get("OMP_NUM_THREADS")
    filters = list(warnings.filters)
    with caplog.at_level("DEBUG", logger="kce"):
        answers = call_twice(own, kind, isolate=isolate) + call_twice(own, kind, isolate=isolate)
    assert all(identical(answers[0], answer) for answer in answers)
    reported = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(reported) == 1
    assert f"{kind} 'mine' (plugin mine, " in reported[0]
    assert repr(check) in reported[0]
    output = [record.getMessage() for record in caplog.records if record.levelname == "DEBUG"]
    assert [text.rpartition(": ")[2] for text in output] == (["clustering ..."] * 4 if check == "silent" else [])
    assert capfd.readouterr().out == ""
    assert (random.getstate(), os.environ.get("OMP_NUM_THREADS"), warnings.filters) == (state, threads, filters)
    assert identical(numpy_state, np.random.get_state())


def test_a_component_that_writes_into_its_input_does_no_harm(at: Path) -> None:
    own, given = registry(at, "reducer", "WritesIntoItsInput"), blob_features()
    with isolation.component(own.resolve("reducer", "mine"), own, isolate=False) as reducer:
        reducer.fit_transform(given.x)
    assert identical(given.x, blob_features().x)


def test_features_that_were_not_finite_are_not_blamed_on_the_component(at: Path) -> None:
    own, given = registry(at, "reducer", "Center"), blob_features()
    given.x[0, 0] = np.nan
    for part in (own.resolve("reducer", "mine"), own.resolve("reducer", "none")):
        with (
            pytest.raises(BadData, match="the features given to reducer"),
            isolation.component(part, own) as reducer,
        ):
            reducer.fit_transform(given.x)


def test_constraints_reach_a_clusterer_that_takes_them(at: Path) -> None:
    write(
        at,
        mine="import numpy as np\nfrom kce import hookimpl\n\nclass Pairs:\n"
        "    def fit_predict(self, x, *, cannot_link=None):\n"
        "        return np.zeros(len(x), int) if cannot_link is None else cannot_link.sum(axis=0)\n\n"
        "@hookimpl\ndef kce_clusterers():\n    return {'mine': Pairs}\n",
    )
    own, given = Registry.load(at), blob_features().x
    apart = np.eye(len(given), dtype=bool)[::-1].copy()
    for isolate in (True, False):
        with isolation.component(own.resolve("clusterer", "mine"), own, isolate=isolate) as clusterer:
            assert takes_cannot_link(clusterer)
            assert clusterer.fit_predict(given, cannot_link=apart).tolist() == [1] * len(given)
            assert clusterer.fit_predict(given).tolist() == [0] * len(given)
    with isolation.component(own.resolve("clusterer", "kmeans:n_clusters=2"), own) as clusterer:
        assert not takes_cannot_link(clusterer)


def test_a_sound_part_answers_as_it_would_here(at: Path) -> None:
    from tests.support.faulty import Sound

    own, given = registry(at, "clusterer", "Sound"), blob_features()
    with isolation.component(own.resolve("clusterer", "mine:n_clusters=3"), own) as part:
        answers = [part.fit_predict(given.x) for _ in range(2)]
    here = Sound(3).fit_predict(given.x)
    assert all(identical(one, here) for one in answers)


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
def test_built_in_components_are_called_directly(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(isolation, "observed")
    monkeypatch.delattr(isolation, "Workers")
    own, given = Registry.load(Path("/")), blob_features()
    with isolation.component(own.resolve(kind, name), own) as part:
        answer = part.align(given) if kind == "aligner" else getattr(part, METHODS[kind])(given.x)
    assert len(answer) == len(given)


@pytest.mark.parametrize(
    ("code", "check"),
    [
        ("return faces.mean(dim=(2, 3))", "shape"),
        ("return faces.mean(dim=(2, 3)).numpy()", "type"),
        ("return faces.mean(dim=(1, 2, 3))[:, None] / 0", "finite-features"),
        ("import os; os._exit(0)", "no-exit"),
        ("import torch; torch.manual_seed(0); return faces.mean(dim=(1, 2, 3))[:, None]", "random-state"),
        ("return faces.mean(dim=(1, 2, 3))[:, None]", ""),
        ("print('forward'); return faces.mean(dim=(1, 2, 3))[:, None]", ""),
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
    study_file = small_study(at, backbones='lost = "mine"')
    plan = study.prepare_study(str(study_file), at / "out", own, faces=face_folder(at))
    assert len(plan.runs) == 2
    assert study.estimate_cost(plan, 1).trainings >= 1


@pytest.mark.slow
def test_in_a_study_it_ends_its_run_alone(at: Path) -> None:
    from kce.study import study

    own = registry(at, "clusterer", "WrongShape")
    faces = face_folder(at)
    study_file = small_study(at, plans='[plan.faulty]\nclusterer = "mine"')
    plan = study.prepare_study(str(study_file), at / "out", own, faces=faces)
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
    assert "'shape'" in error
