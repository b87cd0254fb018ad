"""The state of a training in a file: enough to resume after a kill as if there had been none.

The state before it is kept too, and both have a checksum: a state that a power cut left empty, or in which a bit
flipped, is not used. Then the training continues from the one before, or begins again.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import xxhash

from kce.errors import BadData
from kce.training.weights import read_weights_file, write_weights_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from lightning_fabric import Fabric
    from torch import nn

_log = logging.getLogger("kce.training.state")


class TrainingState:
    """Network, optimizer and counters of a training, and the files that hold them.

    No state of a random number generator is stored, since every step seeds its own.

    Attributes:
        path: The file; the state before it is in ``<path>.before``.
        step: Steps done.
        epoch: Epochs done, including everything that belongs to their end.
        rows: The rows logged so far (``kce.training.history``).
        images: Images since the last logged row.
        seconds: Seconds of training since then.
        loss: Sum of the losses of those images.
        correct: How many of them were classified correctly.
        best: The best balanced accuracy on held-out faces so far; -1 before the first.
        best_weights: The network's weights at that time.
    """

    def __init__(
        self, path: Path, provenance: Mapping[str, str], fabric: Fabric, network: nn.Module, optimizer: Any
    ) -> None:
        self.path = path
        self.provenance = dict(provenance)
        self.fabric = fabric
        self.network = network
        self.optimizer = optimizer
        self.step = self.epoch = self.images = 0
        self.seconds = self.loss = self.correct = 0.0
        self.rows: list[dict[str, Any]] = []
        self.best = -1.0
        self.best_weights: dict[str, torch.Tensor] = {}

    @property
    def _before(self) -> Path:
        return self.path.with_name(f"{self.path.name}.before")

    def keep_if_best(self, accuracy: float) -> None:
        """Copy the weights if this accuracy is higher than every earlier one."""
        if accuracy > self.best:
            self.best = accuracy
            weights = self.network.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    def save(self) -> None:
        """Write the file; to be called between two steps, when network, optimizer and counters agree."""
        import torch

        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        counters = {name: getattr(self, name) for name in _COUNTERS}
        # In float16 the loss is scaled by a factor that adapts to the gradients, and so is part of the state.
        counters["scaler"] = self.fabric.strategy.precision.state_dict()
        check = _checksum(tensors, self.provenance, counters)
        if self.path.exists():  # a kill after this leaves the state before, and that is used
            self.path.replace(self._before)
        write_weights_file(self.path, tensors, {"provenance": self.provenance, "counters": counters, "check": check})

    def restore(self) -> None:
        """Continue from the files, if there are any of exactly this training; others are ignored.

        A damaged state is told, and the one before it is used; without one, the training begins again.
        """
        damaged = ""
        for path in (self.path, self._before):
            try:
                stored = _read_state(path)
            except BadData as error:
                damaged = error.message
                continue
            if stored is None or stored[1]["provenance"] != self.provenance:
                continue
            self._restore_from(*stored)
            break
        if damaged and self.fabric.is_global_zero:
            since = f"continues from step {self.step}, where the state before it was saved" if self.step else "restarts"
            _log.warning("%s; the training %s", damaged, since)

    def remove(self) -> None:
        """Remove the files, once the training has ended."""
        for path in (self.path, self._before):
            path.unlink(missing_ok=True)

    def _restore_from(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
        self.network.load_state_dict(_with_prefix("network.", tensors))
        self.best_weights = _with_prefix("best.", tensors)
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _with_prefix("optimizer.", tensors).items():
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.fabric.strategy.precision.load_state_dict(metadata["counters"]["scaler"])
        for name in _COUNTERS:
            setattr(self, name, metadata["counters"][name])


_COUNTERS = ("step", "epoch", "images", "seconds", "loss", "correct", "rows", "best")


def _read_state(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The tensors and metadata of a state; None if there is none. Raises BadData if it is damaged."""
    if not path.exists():
        return None
    damaged = BadData(f"{path} is damaged", "the state before it is used")
    try:
        tensors, metadata = read_weights_file(path)
    except BadData as error:
        raise damaged from error
    if metadata.get("check") != _checksum(tensors, metadata["provenance"], metadata.get("counters")):
        raise damaged
    return tensors, metadata


def _checksum(tensors: Mapping[str, torch.Tensor], *metadata: Any) -> str:
    import torch

    total = xxhash.xxh3_128(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()


def _with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names have the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
