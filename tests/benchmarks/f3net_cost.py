"""What F3-Net costs beside plain Xception (timm's legacy_xception), at one size and batch, in one process.

    python tests/benchmarks/f3net_cost.py [SIZE [BATCH [ROUNDS]]]

Prints JSON: parameters without a head, the best time of every network forward (evaluation) and forward and backward
(training), as ratios to Xception's, and the shares of `f3net`'s forward time that its own parts take. The networks
take turns in every round, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kce.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

NAMES = ("xception", "f3net-fad", "f3net-lfs", "f3net-both", "f3net")
PARTS = {"fad": "FAD", "lfs": "LFS", "mix.0": "MixBlock", "mix.1": "MixBlock"}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def forward(network: nn.Module, faces: Tensor) -> None:
    network.eval()
    with torch.inference_mode():
        network(faces)


def backward(network: nn.Module, faces: Tensor) -> None:
    network.train()
    network.zero_grad()
    network(faces).sum().backward()


def shares(network: nn.Module, faces: Tensor) -> dict[str, float]:
    """The parts' shares of one forward pass."""
    spent: dict[str, float] = {}
    begun: dict[str, float] = {}

    def begin(name: str, *_: Any) -> None:
        begun[name] = time.perf_counter()

    def end(name: str, *_: Any) -> None:
        spent[PARTS[name]] = spent.get(PARTS[name], 0) + time.perf_counter() - begun[name]

    handles = []
    for name in PARTS:
        part = network.get_submodule(name)
        handles.append(part.register_forward_pre_hook(partial(begin, name)))
        handles.append(part.register_forward_hook(partial(end, name)))
    whole = seconds(partial(forward, network, faces))
    for handle in handles:
        handle.remove()
    return {name: time_ / whole for name, time_ in spent.items()}


def main(size: int = 299, batch: int = 2, rounds: int = 3) -> None:
    registry = Registry.load(Path("/"))
    networks = {name: registry.build("backbone", f"{name}:size={size}") for name in NAMES}
    faces = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    works = {"forward": forward, "forward and backward": backward}
    times: dict[str, dict[str, float]] = {kind: dict.fromkeys(NAMES, float("inf")) for kind in works}
    taken: list[dict[str, float]] = []
    for turn in range(rounds + 1):
        for kind, work in works.items():
            for name, network in networks.items():
                took = seconds(partial(work, network, faces))
                if turn:  # the first round only warms up
                    times[kind][name] = min(times[kind][name], took)
        taken.append(shares(networks["f3net"], faces))
    parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    report = {
        "size": size,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "parameters": parameters,
        "seconds": {kind: {name: round(t, 3) for name, t in row.items()} for kind, row in times.items()},
        "ratio to xception": {
            kind: {name: round(row[name] / row["xception"], 2) for name in NAMES[1:]}
            for kind, row in {"parameters": parameters, **times}.items()
        },
        "share of f3net's forward": {
            part: round(sorted(row[part] for row in taken[1:])[rounds // 2], 3)
            for part in dict.fromkeys(PARTS.values())
        },
    }
    print(json.dumps(report, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
