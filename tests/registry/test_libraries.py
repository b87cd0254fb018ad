"""A registry.toml names classes of libraries; what is not installed is said without importing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.mixture import GaussianMixture

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.registry.distributions import install_hint, plugin_origin
from kce.registry.isolation import component
from kce.registry.registry import Registry, describe_component
from kce.testing.base import Subject
from kce.testing.runner import check_components
from tests.registry.test_registry import HALVES, write

TOML = """
[clusterer.birch2]
use = "sklearn.cluster:Birch"
threshold = 0.7
[clusterer.mix]
use = "sklearn.mixture:GaussianMixture"
rename = { n_components = "n_clusters" }
[clusterer.trees]
use = "sklearn.cluster:AgglomerativeClustering"
growth = { time = 2, memory = 2 }
known_faults = { row-order = "of equal distances the first is taken" }
[reducer.ica]
use = "sklearn.decomposition:FastICA"
"""
X = (np.repeat(np.eye(3, 5), 8, axis=0) * 9 + np.random.default_rng(0).standard_normal((24, 5))).astype(np.float32)


def row(registry: Registry, name: str) -> dict[str, str]:
    (found,) = [row for row in registry.list_components() if row["name"] == name]
    return found


def test_a_class_of_a_library_is_listed_described_and_built(tmp_path: Path) -> None:
    registry = write(tmp_path, TOML)
    listed = row(registry, "birch2")
    assert (listed["plugin"], listed["factory"], listed["status"]) == ("sklearn.cluster", "Birch", "ok")
    assert listed["source"] == f"scikit-learn {sklearn.__version__}"
    described = describe_component(registry, "clusterer", "mix")
    assert {one["name"]: one["type"] for one in described["parameters"]}["n_clusters"] == "int"
    assert "`n_clusters` is its `n_components`" in described["doc"]
    assert registry.resolve("clusterer", "birch2").parameters["threshold"] == 0.7
    assert registry.resolve_seeded("clusterer", "mix", 5).parameters["seed"] == 5
    assert not registry.takes("clusterer", "birch2", "seed")
    own = registry.build("clusterer", "mix:n_clusters=3,seed=2").fit_predict(X)
    assert np.array_equal(own, GaussianMixture(3, random_state=2).fit_predict(X.astype(np.float64)))
    for spec, error in (("birch2:threshold=far", KCEError), ("birch2:n_cluster=2", UnknownName)):
        with pytest.raises(error) as caught:
            registry.resolve("clusterer", spec)
        assert caught.value.hint


def test_listing_does_not_import_the_library(tmp_path: Path) -> None:
    write(tmp_path, TOML)
    code = "import kce, sys; kce.Registry.load().list_components(); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_in_a_run_it_works_in_a_process_of_its_own_to_which_it_travels_by_name(tmp_path: Path) -> None:
    registry = write(tmp_path, TOML)
    part = registry.resolve("clusterer", "birch2:n_clusters=3")
    with component(part, registry) as isolated:
        assert np.array_equal(isolated.fit_predict(X), part.build().fit_predict(X))


@pytest.mark.slow
def test_it_passes_the_checks_of_its_kind(tmp_path: Path) -> None:
    registry = write(tmp_path, TOML)
    for kind, name in (("clusterer", "birch2"), ("clusterer", "mix"), ("reducer", "ica:n_components=2")):
        results = list(check_components(kind, name, registry))
        assert len(results) > 25
        assert [result for result in results if result.result == "failed"] == []


def test_what_a_class_cannot_declare_itself_stands_in_its_table(tmp_path: Path) -> None:
    subject = Subject.create("clusterer", "trees", {}, write(tmp_path, TOML))
    assert (subject.growth.memory, set(subject.known_faults)) == (2, {"row-order"})


BROKEN = {
    "Brich": ('use = "sklearn.cluster:Brich"', "Did you mean 'Birch'"),
    "mixture": ('use = "sklearn.mixture:GaussianMixture"', "no parameter n_clusters"),
    "supervised": ('use = "sklearn.svm:SVC"', "needs labels"),
    "function": ('use = "sklearn.cluster:k_means"', "is not a class"),
    "other name": (
        'use = "sklearn.cluster:Birch"\nrename = { k = "n_clusters" }',
        "no parameter of sklearn.cluster:Birch",
    ),
    "module": ('use = "sklearn.no_such_module:Birch"', "No module named 'sklearn.no_such_module'"),
    "not there": ('use = "no_such_library.cluster:Birch"', "not installed: pip install no_such_library"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_an_error_of_whoever_asks_for_it(tmp_path: Path, case: str) -> None:
    text, reason = BROKEN[case]
    registry = write(tmp_path, f"[clusterer.mine]\n{text}\n")
    with pytest.raises(BrokenPlugin, match=reason) as caught:
        registry.build("clusterer", "mine")
    assert caught.value.hint
    registry.build("clusterer", "kmeans")


def test_kinds_and_keys_that_do_not_fit_are_listed_as_broken(tmp_path: Path) -> None:
    text = '[aligner.a]\nuse = "sklearn.cluster:Birch"\n[clusterer.b]\nuse = "mine:halves"\nrename = { axis = "x" }\n'
    registry = write(tmp_path, text, mine=HALVES)
    for name, reason in (("a", "can only be a reducer or clusterer"), ("b", "`rename` is for library classes")):
        assert (row(registry, name)["status"], reason in row(registry, name)["error"]) == ("broken", True)


def test_a_typing_error_in_the_name_of_a_plugin_is_not_taken_for_a_library(tmp_path: Path) -> None:
    registry = write(
        tmp_path, '[clusterer.c]\nuse = "no_such_plugin:halves"\n[clusterer.d]\nuse = "mine.x:halves"', mine=HALVES
    )
    for name in "cd":
        assert "there is no plugin" in row(registry, name)["error"]


def test_what_a_part_requires_is_said_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needy = HALVES.replace(
        "    def __init__", '    requires = {"no_such_module": "no-such-package"}\n\n    def __init__', 1
    )
    library = '[clusterer.gone]\nuse = "no_such_library.cluster:Birch"\n'
    monkeypatch.setitem(sys.modules, "harmonypy", None)  # as Python marks what cannot be imported
    registry = write(tmp_path, library, mine=needy)
    for kind, name, command in (
        ("aligner", "harmony", 'pip install "kce-toolkit[harmony]"'),
        ("clusterer", "halves", "pip install no-such-package"),
        ("clusterer", "gone", "pip install no_such_library"),
    ):
        listed = row(registry, name)
        assert (listed["status"], listed["error"].startswith(f"not installed: {command}")) == ("broken", True)
        (result,) = check_components(kind, name, registry)
        assert (result.check, result.result, result.detail) == ("library", "failed", listed["error"])
        with pytest.raises(BrokenPlugin, match="not installed: pip install") as caught:
            registry.resolve(kind, name)
        assert caught.value.hint.startswith("pip install")
    assert describe_component(registry, "clusterer", "halves")["doc"]


def test_a_recipe_says_which_library_a_part_was_of(tmp_path: Path) -> None:
    origin = plugin_origin(write(tmp_path, TOML), "sklearn.cluster")
    assert origin.startswith("sklearn.cluster of scikit-learn ")
    assert "copy its table" in install_hint(origin)


def test_a_folder_of_plugins_without_a_registry_beside_it_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "registry.toml").touch()
    folder = tmp_path / "a" / "plugins" / "clusterers"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(HALVES, encoding="utf-8")
    (tmp_path / "b" / "plugins").mkdir(parents=True)
    (tmp_path / "b" / "plugins" / "other.py").write_text("print('of another program')", encoding="utf-8")
    below = tmp_path / "a" / "sub"
    below.mkdir()
    for where in (tmp_path / "a", below):
        (note,) = Registry.load(where).plugins.notes
        assert note.startswith(f"{(tmp_path / 'a' / 'plugins').resolve()} is not read: put a registry.toml beside it")
        with pytest.raises(UnknownName) as caught:
            Registry.load(where).build("clusterer", "halves")
        assert note in caught.value.hint
    assert Registry.load(tmp_path / "b").plugins.notes == []
    (tmp_path / "a" / "registry.toml").touch()
    assert Registry.load(below).plugins.notes == []
    assert "halves" in Registry.load(below).names("clusterer")
