"""One loop: backbone + faces + plan -> weights."""

from __future__ import annotations

import csv
import math
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce import weights
from kce.device import fabric, to_input
from kce.errors import KCEError
from kce.merge import draw

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from kce.pixels import Pixels
    from kce.registry import Registry
    from kce.types import MergePlan, Progress


@dataclass(frozen=True)
class Settings:
    """How to train. The paper says 3 epochs (section 3) and nothing of the rest."""

    epochs: int = 3
    batch: int = 32
    rate: float = 1e-3  # AdamW's, at its highest: a tenth of the steps of rise, then a cosine down to nothing
    decay: float = 1e-2
    per_class: int | None = None  # images of each class; None = as many as all classes can give
    seed: int = 0
    save_every: float = 30.0  # seconds of training that a kill can cost


def train(
    backbone: str,
    pixels: Pixels,
    plan: MergePlan,
    settings: Settings,
    registry: Registry,
    to: Path,
    places: Sequence[Path] = (),
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Train `backbone` to tell the plan's classes apart, write its weights to `to`, and return what made them.

    pixels  the faces of the known categories and of no other: everything in it may be trained on
    places  folders whose weights are taken over if they were made in exactly this way
    Every class gives `per_class` images, its members equal shares of them (``kce.merge.draw``), each once an epoch.
    Killed and started again, it goes on from `to` + ".resume" and ends with the same weights on the same machine.
    Raises Refused where `to` was made another way, BadData where a class has too few images, KCEError where the loss
    is no number any more.
    """
    import torch

    rows, targets = draw(pixels.faces.category, plan, settings.per_class, settings.seed)
    made = made_of(backbone, pixels, rows, targets, settings, registry)
    if weights.is_made(to, made) or weights.adopt(to, made, places):
        about = weights.read_about(to)
        write_history(to.with_suffix(".csv"), about["history"])
        return about

    machine = fabric()
    # Whoever called us keeps their random numbers; ours start from the seed alone.
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = classifier(registry.build("backbone", backbone), len(plan.names))
        network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
        model, optimizer = machine.setup(network, optimizer)
        state = State(to.with_name(to.name + ".resume"), made, network, optimizer)
        state.restore()
        # A last face alone joins the batch before it: batch normalisation cannot do with one.
        cuts = range(settings.batch, len(rows) - 1, settings.batch)
        in_epoch = len(cuts) + 1
        total = in_epoch * settings.epochs
        what = f"training {to.stem}"
        progress(what, state.step * settings.batch, total * settings.batch)
        saved = time.monotonic()
        with interrupts_held() as interrupted:
            for epoch in range(state.step // in_epoch, settings.epochs):
                model.train()
                order = np.random.default_rng([settings.seed, epoch]).permutation(len(rows))
                batches = np.array_split(order, cuts)
                todo = batches[state.step % in_epoch :]
                for chosen, (_, images) in zip(todo, pixels.ahead(rows[chosen] for chosen in todo), strict=True):
                    for group in optimizer.param_groups:
                        group["lr"] = settings.rate * schedule(state.step, total)
                    wanted = machine.to_device(torch.from_numpy(targets[chosen]))
                    scores = model(to_input(machine, images))
                    loss = torch.nn.functional.cross_entropy(scores, wanted)
                    if not torch.isfinite(loss):
                        raise KCEError(
                            f"the loss is no number any more in epoch {epoch + 1}, step {state.step % in_epoch + 1}",
                            f"train with a lower rate than {settings.rate:g}",
                        )
                    optimizer.zero_grad(set_to_none=True)
                    machine.backward(loss)
                    optimizer.step()
                    state.count(len(chosen), float(loss.detach()), int((scores.argmax(1) == wanted).sum()))
                    if state.step % in_epoch == 0:
                        state.end_epoch(epoch + 1)
                    progress(what, min(state.step * settings.batch, total * settings.batch), total * settings.batch)
                    # Only here, between two steps, do network, optimizer and counters agree with each other.
                    if interrupted() or time.monotonic() - saved > settings.save_every:
                        state.save()
                        saved = time.monotonic()
                    if interrupted():
                        raise KeyboardInterrupt
        about = {
            "made": made,
            "backbone": registry.resolve("backbone", backbone).text,
            "architecture": _architecture(backbone, registry),
            "classes": plan.names,
            "images": len(rows),
            "history": state.history,
        }
        weights.write(to, network.state_dict(), about)
    write_history(to.with_suffix(".csv"), state.history)
    state.path.unlink(missing_ok=True)
    return about


def made_of(
    backbone: str,
    pixels: Pixels,
    rows: NDArray[np.int64],
    targets: NDArray[np.int64],
    settings: Settings,
    registry: Registry,
) -> dict[str, str]:
    """All that makes the weights: the network and where it starts, which faces with which class, the settings.

    Class numbers stand for the classes: a plan that only gives them other names makes the same weights.
    """
    faces = pixels.faces
    drawn = xxhash.xxh128()
    for row, target in zip(rows.tolist(), targets.tolist(), strict=True):
        drawn.update(f"{faces.key[row]}\0{faces.hash[row]}\0{target}\n".encode())
    part = registry.resolve("backbone", backbone)
    start = part.parameters.get("weights", "none")
    made = {"backbone": part.text, "drawn": drawn.hexdigest(), "images": str(len(rows))}
    if isinstance(start, str) and Path(start).is_file():
        made["start"] = weights.digest(Path(start))
    # How often the state is saved, and how many images a class was asked for, change nothing in the result.
    counted = {k: v for k, v in asdict(settings).items() if k not in ("save_every", "per_class")}
    return made | {name: str(value) for name, value in counted.items()}


def schedule(step: int, total: int) -> float:
    """The share of the full rate at a step: a rise over the first tenth, then a cosine to zero."""
    rise = max(total // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(total - rise, 1)))


def _architecture(backbone: str, registry: Registry) -> str:
    """The backbone's configuration without its starting weights, which its own weights replace."""
    from kce import specs

    part = registry.resolve("backbone", backbone)
    return specs.write(part.entry.name, {k: v for k, v in part.parameters.items() if k != "weights"})


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """One row per epoch, for people and spreadsheets."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", "loss", "accuracy"])
        writer.writeheader()
        writer.writerows(history)


@contextmanager
def interrupts_held() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is noted, not raised, inside; gives a function that tells whether it came."""
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread, which alone is interrupted
        yield lambda: False
        return
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


def classifier(backbone: nn.Module, classes: int) -> nn.Module:
    """A backbone and one linear layer on its features, under the names ``backbone`` and ``head``."""
    from torch import nn

    head = nn.Linear(int(backbone.dim), classes)  # type: ignore[arg-type] # every backbone has its `dim`
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))


class State:
    """Where a training stands: enough, in one file, to go on from a kill as if it had not been."""

    def __init__(self, path: Path, made: Mapping[str, str], network: nn.Module, optimizer: Any) -> None:
        self.path = path
        self.made = dict(made)
        self.network = network
        self.optimizer = optimizer
        self.step = 0
        self.seen = self.right = 0
        self.summed = 0.0
        self.history: list[dict[str, float]] = []

    def count(self, images: int, loss: float, right: int) -> None:
        self.step += 1
        self.seen += images
        self.right += right
        self.summed += loss * images

    def end_epoch(self, epoch: int) -> None:
        self.history.append({"epoch": epoch, "loss": self.summed / self.seen, "accuracy": self.right / self.seen})
        self.seen = self.right = 0
        self.summed = 0.0

    def save(self) -> None:
        import torch

        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["random"] = torch.get_rng_state()
        counters = {name: getattr(self, name) for name in ("step", "seen", "right", "summed", "history")}
        weights.write(self.path, tensors, {"made": self.made, "counters": counters})

    def restore(self) -> None:
        """Go on from the file, if there is one of this very training; anything else there is no use and is dropped."""
        import torch

        if not self.path.is_file():
            return
        tensors, about = weights.read(self.path)
        if about["made"] != self.made:
            return
        self.network.load_state_dict(
            {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        )
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                number, _, moment = rest.partition(".")
                moments.setdefault(int(number), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["random"])
        for name, value in about["counters"].items():
            setattr(self, name, value)
