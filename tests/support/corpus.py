"""A face folder of small patterned pictures, for tests of everything after cutting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tomlkit

from kce.faces.cut import cut
from kce.registry.registry import Registry

# A_FaceSwap and B_Paste have one method and two names, A_FaceSwap and B_FaceSwap one name and two methods.
METHODS = {
    "A_FaceSwap": "stripes",
    "A_Warp": "dots",
    "A_Blur": "smooth",
    "B_Paste": "stripes",
    "B_FaceSwap": "checks",
    "B_Reenact": "dots",
    "C_Unseen": "smooth",
    "C_Strange": "checks",
}
KNOWN = [category for category in METHODS if not category.startswith("C_")]
UNKNOWN = [category for category in METHODS if category.startswith("C_")]


def pattern(method: str, rng: np.random.Generator, size: int = 40) -> np.ndarray:
    """One grey-brown picture (size, size, 3) with the trace of a method."""
    base = rng.normal(120, 25, 3) + cv2.GaussianBlur(rng.normal(0, 60, (size, size, 3)), (0, 0), 4)
    y, x = np.mgrid[:size, :size]
    trace = {
        "stripes": 30 * np.sin(x * np.pi / 3),
        "dots": 40.0 * ((x % 8 < 3) & (y % 8 < 3)),
        "checks": 30.0 * (((x // 4) + (y // 4)) % 2),
        "smooth": np.zeros((size, size)),
    }[method]
    noise = rng.normal(0, 1.0 if method == "smooth" else 6.0, (size, size, 3))
    return np.clip(base + trace[..., None] + noise, 0, 255).astype(np.uint8)


def pictures(root: Path, count: int = 16, seed: int = 0, groups: int = 8) -> Path:
    """`count` pictures of each category below root/<category>/<recording>/."""
    for number, (category, method) in enumerate(METHODS.items()):
        rng = np.random.default_rng([seed, number])
        for picture in range(count):
            folder = root / category / f"{picture % groups:03}"
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{picture:04}.png"), pattern(method, rng))
    return root


def face_folder(root: Path, count: int = 16, seed: int = 0, reals: int = 0) -> Path:
    """The same pictures as a face folder, and as many reals of the datasets A and B."""
    folder = pictures(root / "pictures", count, seed)
    for number, dataset in enumerate("AB"):
        rng = np.random.default_rng([9, number])
        for picture in range(reals):
            recording = folder / f"{dataset}_real" / f"{picture % 6:03}"
            recording.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(recording / f"{picture:04}.png"), pattern("smooth", rng))
    cut(Registry.load(Path("/")).build("dataset", "folder", root=folder), root / "faces", detector="whole", workers=0)
    return root / "faces"


def truth(path: Path) -> Path:
    """The methods, in a file for the evaluator `agreement`."""
    lines = "\n".join(f'"{category}" = "{method}"' for category, method in METHODS.items())
    path.write_text(f"[method]\n{lines}\n", encoding="utf-8")
    return path


def small_study(at: Path, plans: str = "", backbones: str = "") -> Path:
    """The file of a study with one group and the plan `none`; `plans` and `backbones` are further lines of it."""
    (at / "study.toml").write_text(
        f"""title = "one"
[backbone]
tiny = "tiny:size=32,width=2"
{backbones}
[run]
extractor = "tiny"
[run.train]
per_class = 5
epochs = 1
[run.evaluate]
evaluators = ["calinski-harabasz"]
per_category = 12
resamples = 10
[plan.none]
plan = "none"
{plans}
[[group]]
name = 1
unknown = {UNKNOWN}
"""
    )
    return at / "study.toml"


def small_recipe(at: Path, evaluate: dict[str, Any], **parts: str) -> Path:
    """The file of a recipe of one epoch, over a new face folder."""
    recipe = {"faces": face_folder(at).as_posix(), "unknown": UNKNOWN, **parts, "train": {"epochs": 1}}
    (at / "recipe.toml").write_text(tomlkit.dumps({**recipe, "evaluate": evaluate}))
    return at / "recipe.toml"
