"""All that decides the weights of a training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from kce.training.package_weights import PREFIX, package_weights_file
from kce.training.weights import file_sha256

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.training.sampling import Examples
    from kce.training.settings import TrainSettings

_HASHED_AT_ONCE = 2**12


def weights_provenance(
    backbone: str, faces: Faces, examples: Examples, held_out: Examples, settings: TrainSettings, registry: Registry
) -> dict[str, str]:
    """Collect everything that decides the weights: the network and its start, the faces and classes, the settings.

    Class numbers represent the classes: a plan that only gives them other names makes the same weights. The precision
    of `settings` is the one that is used, not "auto" or "fast".
    """
    part = registry.resolve("backbone", backbone)
    start = part.parameters.get("weights", "none")
    provenance = {
        "backbone": part.spec,
        "training_set": _hash_of_examples(faces, examples),
        "images": str(len(examples.rows)),
    }
    if isinstance(start, str) and start.startswith(PREFIX):
        provenance["start"] = file_sha256(package_weights_file(start.removeprefix(PREFIX)))
    elif isinstance(start, str) and Path(start).is_file():
        provenance["start"] = file_sha256(Path(start))
    if settings.checkpoint == "best":
        provenance["held_out_set"] = _hash_of_examples(faces, held_out)
    # How often the state is saved, and how many images a class was asked for, do not change the result.
    left_out = ("save_every", "per_class", "images", "augment", "loss", "batches")
    values = {name: value for name, value in asdict(settings).items() if name not in left_out}
    if settings.loss != "softmax":
        provenance["loss"] = settings.loss
        provenance["datasets"] = _hash_of_datasets(faces, examples)
    if settings.batches != "random":
        provenance["batches"] = settings.batches
    return provenance | {"augment": ",".join(settings.augment)} | {name: str(value) for name, value in values.items()}


def _hash_of_datasets(faces: Faces, examples: Examples) -> str:
    return xxhash.xxh3_128_hexdigest("\0".join(faces.dataset[examples.rows].tolist()).encode())


def _hash_of_examples(faces: Faces, examples: Examples) -> str:
    total = xxhash.xxh128()
    for start in range(0, len(examples.rows), _HASHED_AT_ONCE):
        part = examples.take(slice(start, start + _HASHED_AT_ONCE))
        chosen = faces.take(part.rows)
        for key, own, target in zip(chosen.key.tolist(), chosen.hash.tolist(), part.targets.tolist(), strict=True):
            total.update(f"{key}\0{own}\0{target}\n".encode())
    return total.hexdigest()
