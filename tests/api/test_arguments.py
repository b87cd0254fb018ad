"""Arguments of a wrong type or number: an error with a hint, before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kce

ROWS = kce.Features.from_arrays([[0, 0], [0, 1], [9, 0], [9, 1]], ["A_x", "A_x", "A_y", "A_y"])


@pytest.mark.parametrize(
    ("call", "arguments", "keywords"),
    [
        (kce.scan, (3,), {"root": "."}),
        (kce.scan, ("folder",), {"root": ".", "split": None}),
        (kce.scan, ("folder",), {"root": ".", "seed": "a"}),
        (kce.scan, ("folder",), {"root": ".", "follow_links": 3}),
        (kce.cut, ("folder",), {"root": ".", "to": "faces", "frames": "a"}),
        (kce.cut, ("folder",), {"root": ".", "to": "faces", "workers": 1.5}),
        (kce.cut, ("folder",), {"root": ".", "to": "faces", "detector": None}),
        (kce.run, ("r",), {"unknown": 3}),
        (kce.run, ("r",), {"unknown": []}),
        (kce.run, ("r",), {"unknown": ["A_x", None]}),
        (kce.run, ("r",), {"augment": [1]}),
        (kce.run, ("r",), {"faces": "f", "epochs": "3"}),
        (kce.run, ("r",), {"faces": "f", "k": True}),
        (kce.run, ("r",), {"faces": "f", "cache": -1}),
        (kce.run, ("r",), {"faces": "f", "cache": True}),
        (kce.run, ("r",), {"faces": "f", "cache": "lots"}),
        (kce.run, ("r",), {"threads": "4"}),
        (kce.run, ("r",), {"threads": True}),
        (kce.run, ("r",), {"devices": 0}),
        (kce.run, ("r",), {"faces": "f", "until": "scor"}),
        (kce.score, (3,), {}),
        (kce.score, ([[1, 2]],), {}),
        (kce.score, (ROWS,), {"evaluator": []}),
        (kce.score, (ROWS,), {"reducer": None}),
        (kce.score, (ROWS,), {"seed": 0.5}),
        (kce.audit, ([],), {}),
        (kce.audit, (5,), {}),
        (kce.audit, ([5],), {}),
        (kce.study, ("sun2023",), {"dry_run": True, "seeds": "x"}),
        (kce.study, (None,), {"dry_run": True}),
        (kce.bench, (), {"clusterer": 5, "dry_run": True}),
        (kce.bench, (), {"clusterer": [], "dry_run": True}),
        (kce.bench, (), {"limit": None, "dry_run": True}),
        (kce.bench.aligners, (), {"to": "b", "worlds": 0, "dry_run": True}),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(
    at: Path, call: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    with pytest.raises(kce.KCEError) as error:
        call(*arguments, **keywords)
    assert error.value.hint
    assert not any(at.iterdir())
