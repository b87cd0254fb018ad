"""Where networks run, and in which precision: the one place that asks the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray


def fabric() -> Fabric:
    """One device: a GPU in mixed precision where there is one, else the CPU in float32."""
    import torch
    from lightning_fabric import Fabric

    if not torch.cuda.is_available():
        return Fabric(accelerator="auto", devices=1, precision="32-true")
    return Fabric(
        accelerator="cuda", devices=1, precision="bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    )


def to_input(machine: Fabric, images: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (n, size, size, 3) -> float (n, 3, size, size) in [0, 1] on the device.

    Turning the axes of such an array makes the channels-last layout by itself, and bytes are a quarter of the floats
    to move.
    """
    import torch

    batch: torch.Tensor = machine.to_device(torch.from_numpy(images).permute(0, 3, 1, 2))
    return batch.float().div_(255)
