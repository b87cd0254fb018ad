"""Where a training stands: enough, in one file, to go on from a kill as if it had not been."""

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
    """Network, optimizer and counters of a training, and their file. Random numbers need none: each step seeds its own.

    step     steps done
    epoch    epochs done, with all that belongs to their end
    rows     what has been logged so far
    images, seconds, loss, right  what was counted and summed up since the last logged row
    best     the best accuracy on held-out faces so far, with the network's weights at that time
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
        self.seconds = self.loss = self.right = 0.0
        self.rows: list[dict[str, Any]] = []
        self.best = -1.0
        self.best_weights: dict[str, torch.Tensor] = {}

    def see(self, accuracy: float) -> None:
        """Keep the weights if no earlier ones were as good."""
        if accuracy > self.best:
            self.best = accuracy
            own = self.network.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in own.items()}

    def save(self) -> None:
        """Write the file. Only between two steps do network, optimizer and counters agree with each other."""
        import torch

        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        counters = {name: getattr(self, name) for name in _COUNTERS}
        # In float16 the loss is scaled by a factor that follows the gradients: it is part of where training stands.
        counters["scaler"] = self.fabric.strategy.precision.state_dict()
        write_weights_file(self.path, tensors, {"provenance": self.provenance, "counters": counters})

    def restore(self) -> None:
        """Go on from the file, if there is one of this very training; any other is of no use and is passed over."""
        if not self.path.is_file():
            return
        tensors, about = read_weights_file(self.path)
        if about["provenance"] != self.provenance:
            return
        self.network.load_state_dict(_under("network.", tensors))
        self.best_weights = _under("best.", tensors)
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.fabric.strategy.precision.load_state_dict(about["counters"]["scaler"])
        for name in _COUNTERS:
            setattr(self, name, about["counters"][name])


_COUNTERS = ("step", "epoch", "images", "seconds", "loss", "right", "rows", "best")


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
