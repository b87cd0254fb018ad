"""The state of a training in one file: enough to resume after a kill as if there had been none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce.training.weights import read_weights_file, write_weights_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from lightning_fabric import Fabric
    from torch import nn


class TrainingState:
    """Network, optimizer and counters of a training, and the file that holds them.

    No state of a random number generator is stored, since every step seeds its own.

    Attributes:
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
        counters = {name: getattr(self, name) for name in _COUNTERS}
        # In float16 the loss is scaled by a factor that adapts to the gradients, and so is part of the state.
        counters["scaler"] = self.fabric.strategy.precision.state_dict()
        write_weights_file(self.path, tensors, {"provenance": self.provenance, "counters": counters})

    def restore(self) -> None:
        """Continue from the file, if there is one of exactly this training; any other file is ignored."""
        if not self.path.is_file():
            return
        tensors, metadata = read_weights_file(self.path)
        if metadata["provenance"] != self.provenance:
            return
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


def _with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names have the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
