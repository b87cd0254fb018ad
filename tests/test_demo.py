from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from kce.demo import DEMO_RECIPE, run_demo
from kce.errors import KCEError
from tests.support import browser
from tests.support.portraits import portraits_plugin

SMALL = (
    DEMO_RECIPE.read_text(encoding="utf-8")
    .replace('"world:', '"world:identities=4,images=8,categories=12,')
    .replace("epochs = 8", "epochs = 1")
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "small.toml").write_text(SMALL)
    return folder, run_demo(folder / "demo", path=folder / "small.toml")


def test_the_small_recipe_is_the_shipped_one_with_a_smaller_world() -> None:
    small, shipped = tomllib.loads(SMALL), tomllib.loads(DEMO_RECIPE.read_text(encoding="utf-8"))
    assert small["world"] != shipped["world"]
    assert small["run"]["train"].pop("epochs") != shipped["run"]["train"].pop("epochs")
    assert small["run"] == shipped["run"]


def test_it_gives_what_the_contract_says(found: tuple[Path, dict[str, object]]) -> None:
    folder, said = found
    assert set(said) == {"report", "plan", "plans"}
    assert set(said["plans"]) == {"none", "name", "random", "clusters"}
    for line in said["plans"].values():
        assert {"classes", "n", "calinski_harabasz", "interval", "variance_share", "ari_truth"} <= set(line)
    assert len(said["plan"]) == 8
    assert Path(said["report"]).is_file()
    assert json.loads((folder / "demo" / "report.json").read_text())["plans"] == json.loads(json.dumps(said["plans"]))


@browser.needed
def test_its_page_shows_the_faces_behind_every_cell_of_the_plans(found: tuple[Path, dict[str, object]]) -> None:
    _, said = found
    with browser.opened(Path(said["report"])) as seen:
        assert seen.page.locator("#plan thead th").all_inner_texts() == ["category", "name", "random", "clusters"]
        cells = seen.page.locator("#plan tbody button")
        assert cells.count() == 3 * 8
        for number in range(cells.count()):
            cells.nth(number).click()
            assert seen.page.locator("#panel .tiles button").count() > 0
            assert seen.page.locator("#panel .picture", has_text="no picture").count() == 0
            seen.page.keyboard.press("Escape")
        assert seen.errors == []


def test_a_second_run_reuses_everything(found: tuple[Path, dict[str, object]]) -> None:
    folder, said = found
    made = [p for p in folder.rglob("*") if p.suffix in (".mp4", ".png", ".jpg", ".safetensors", ".h5")]
    before = {path: path.stat().st_mtime_ns for path in made}
    again = run_demo(folder / "demo", path=folder / "small.toml")
    assert again == said
    assert {path: path.stat().st_mtime_ns for path in made} == before


def test_the_truth_reaches_the_evaluator_alone(found: tuple[Path, dict[str, object]]) -> None:
    """Without the truth the pipeline makes the very same plan."""
    folder, said = found
    truth = folder / "demo" / "world" / "truth.toml"
    text = truth.read_text()
    swapped = dict(zip(said["plan"], reversed(list(said["plan"])), strict=True))
    lines = tomllib.loads(text)["method"]
    truth.write_text("[method]\n" + "".join(f'"{c}" = "{lines[swapped.get(c, c)]}"\n' for c in lines))
    for made in ("clusters/plan.toml", "clusters/final.safetensors", "clusters/train.csv"):
        (folder / "demo" / "runs" / made).unlink()
    again = run_demo(folder / "demo", path=folder / "small.toml")
    truth.write_text(text)
    assert again["plan"] == said["plan"]
    assert again["plans"]["clusters"]["calinski_harabasz"] == said["plans"]["clusters"]["calinski_harabasz"]


def test_a_root_that_the_registry_names_is_the_worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portraits_plugin(tmp_path)
    (tmp_path / "registry.toml").write_text(
        '[dataset.portraits]\nuse = "portraits:portraits"\nroot = "elsewhere"\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KCEError, match="elsewhere is no folder of photographs"):
        run_demo(tmp_path / "demo", world="portraits")
