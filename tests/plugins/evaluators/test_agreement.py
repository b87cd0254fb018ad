"""Agreement with a truth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kce import BadData, Features, MergePlan, Registry

REGISTRY = Registry.load()
TRUTH = {"A_x": "warp", "B_x": "warp", "A_y": "blend", "B_z": "blend", "A_한": "paste"}


@pytest.fixture
def truth(tmp_path: Path) -> str:
    path = tmp_path / "truth.toml"
    path.write_text("[method]\n" + "".join(f'"{k}" = "{v}"\n' for k, v in TRUTH.items()), encoding="utf-8")
    return str(path)


def rows(apart: float = 30.0) -> Features:
    """Eight rows of each category, those of one method in one place."""
    random = np.random.default_rng(0)
    places = dict(zip(sorted(set(TRUTH.values())), apart * random.standard_normal((3, 4)), strict=True))
    labels = np.repeat(list(TRUTH), 8)
    x = np.stack([places[TRUTH[label]] for label in labels.tolist()]) + random.standard_normal((40, 4))
    return Features(np.array([str(i) for i in range(40)]), labels, labels, x.astype(np.float32))


def test_a_plan_against_the_truth(truth: str) -> None:
    evaluator = REGISTRY.build("evaluator", "agreement", truth=truth)
    right = MergePlan({category: f"class of {method}" for category, method in TRUTH.items()})
    assert evaluator.score(rows(), right) == {
        "ari_truth": 1.0,
        "nmi_truth": pytest.approx(1.0),
        "ami_truth": pytest.approx(1.0),
    }
    by_name = MergePlan({category: category.partition("_")[2] for category in TRUTH})
    wrong = evaluator.score(rows(), by_name)
    assert 0 < wrong["ari_truth"] < 1
    part = MergePlan({"A_x": "1", "B_x": "1", "A_y": "2"})  # a plan need not hold every category of the truth
    assert evaluator.score(rows(), part)["ari_truth"] == 1.0


def test_rows_against_their_labels_or_the_truth(truth: str) -> None:
    against_labels = REGISTRY.build("evaluator", "agreement").score(rows())
    against_truth = REGISTRY.build("evaluator", "agreement", truth=truth).score(rows())
    assert against_truth == {name: pytest.approx(1.0) for name in ("ari", "nmi", "ami")}
    assert 0.2 < against_labels["ari"] < 0.9  # categories of one method cannot be told apart
    assert abs(REGISTRY.build("evaluator", "agreement").score(rows(apart=0.0))["ari"]) < 0.3
    again = REGISTRY.build("evaluator", "agreement", seed=0).score(rows(), MergePlan({"A_x": "1"}))
    assert again == against_labels  # a plan without a truth changes nothing


def test_it_has_no_intervals() -> None:
    assert REGISTRY.build("evaluator", "agreement").intervals is False


def test_truths_that_say_too_little(tmp_path: Path, truth: str) -> None:
    (tmp_path / "bad.toml").write_text("[method\n")
    (tmp_path / "other.toml").write_text("seed = 1\n")
    (tmp_path / "old.toml").write_text('[process]\nA_x = "warp"\n')
    for name, message, hint in (
        ("bad", "cannot read", "truth.toml"),
        ("other", "no table", "add lines"),
        ("absent", "cannot read", "truth.toml"),
        ("old", "no table", r"rename its table \[process\] to \[method\]"),
    ):
        with pytest.raises(BadData, match=message) as caught:
            REGISTRY.build("evaluator", "agreement", truth=str(tmp_path / f"{name}.toml")).score(rows())
        assert re.search(hint, caught.value.hint)
    with pytest.raises(BadData, match="no method for: C_q"):
        REGISTRY.build("evaluator", "agreement", truth=truth).score(rows(), MergePlan({"A_x": "1", "C_q": "1"}))
    one = rows().take(np.arange(8))
    with pytest.raises(BadData, match="at least two labels"):
        REGISTRY.build("evaluator", "agreement").score(one)
