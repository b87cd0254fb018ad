"""Where networks run, in which precision, and with how much memory: the one place that asks what the computer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce.errors import KCEError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray


def make_fabric(devices: int = 1) -> Fabric:
    """GPUs in mixed precision where there are any, else the CPU in float32; several devices mean a process each.

    Raises KCEError where there are fewer GPUs than asked for.
    """
    import torch
    from lightning_fabric import Fabric

    strategy = "auto" if devices == 1 else "ddp_spawn"
    if not torch.cuda.is_available():
        return Fabric(accelerator="auto" if devices == 1 else "cpu", devices=devices, strategy=strategy)
    if devices > torch.cuda.device_count():
        raise KCEError(
            f"{devices} devices, but {torch.cuda.device_count()} GPUs are here", "ask for as many as there are"
        )
    # What older GPUs only emulate is slower than float16.
    half = "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return Fabric(accelerator="cuda", devices=devices, strategy=strategy, precision=half)  # type: ignore[arg-type]


def to_network_input(fabric: Fabric, images: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (n, size, size, 3) -> float (n, 3, size, size) in [0, 1] on the device.

    Turning the axes of such an array makes the channels-last layout by itself, and bytes are a quarter of the floats
    to move.
    """
    import torch

    batch: torch.Tensor = fabric.to_device(torch.from_numpy(images).permute(0, 3, 1, 2))
    return batch.float().div_(255)


def sum_over_processes(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """The sum of what all processes have here."""
    if fabric.world_size == 1:
        return values
    total: torch.Tensor = fabric.all_reduce(values, reduce_op="sum")  # type: ignore[assignment]
    return total


def gather_rows(fabric: Fabric, rows: torch.Tensor, most: int) -> list[NDArray[np.float32]]:
    """What each process has, in their order, as (most, dim); rows past a process's own are 0. All must ask at once."""
    import torch

    if fabric.world_size == 1:
        return [rows.cpu().numpy()]
    padded = torch.nn.functional.pad(rows, (0, 0, 0, most - len(rows)))
    parts = [torch.empty_like(padded) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(parts, padded.contiguous())
    return [part.cpu().numpy() for part in parts]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is how torch or numpy say that memory ran out."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "could not create a memory object",
    "could not create a primitive",  # oneDNN's, where there is no room for its code or scratchpad
    "out of memory",
)


def largest_fitting_batch(attempt: Callable[[int], Any], below: int) -> int:
    """The largest of below/2, below/4 ... for which `attempt` finds memory enough; 0 if none."""
    import torch

    size = below // 2
    while size:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return 0
