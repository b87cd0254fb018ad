"""Where networks run, in which precision and with how much memory; nothing else asks what hardware there is."""

from __future__ import annotations

import ctypes
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kce.errors import KCEError, UnknownName
from kce.training.settings import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from kce.training.settings import Precision

_log = logging.getLogger("kce.training.device")

_FABRIC_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


def resolve_precision(asked: Precision) -> Precision:
    """Say in which precision networks run on this machine.

    Args:
        asked: One of ``kce.training.settings.PRECISIONS``.

    Returns:
        "32", "bf16" or "16": for "auto", 32 on the CPU, and on a GPU bf16 if it has that, else 16; for "fast", the
        same, but bf16 on a CPU that has instructions for it.

    Raises:
        UnknownName: If there is no such precision.
    """
    if asked not in PRECISIONS:
        raise UnknownName.among("precision", str(asked), PRECISIONS)
    if asked not in ("auto", "fast"):
        return asked
    if not _has_gpu():
        return "bf16" if asked == "fast" and _has_bf16() else "32"
    # bfloat16 that an older GPU only emulates is slower than float16.
    return "bf16" if _has_bf16() else "16"


def _has_gpu() -> bool:
    """Whether torch has a GPU; where no driver is installed it is not loaded for that, which takes hundreds of MB."""
    if sys.platform == "linux" and "torch" not in sys.modules and not _has_gpu_driver():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_gpu_driver() -> bool:
    if Path("/dev/kfd").exists():  # AMD
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def check_precision(precision: str) -> None:
    """Raise KCEError if networks cannot run in a resolved precision here; warn if the hardware only emulates it."""
    _require_hardware(precision)
    if precision == "bf16" and not _has_bf16():
        _log.warning("torch finds no bf16 instructions on this machine: precision bf16 is emulated: far slower than 32")


def _require_hardware(precision: str) -> None:
    import torch

    # Without a GPU, Fabric would compute in bfloat16 instead, and what is recorded would be wrong.
    if precision == "16" and not torch.cuda.is_available():
        raise KCEError(
            "precision 16 needs a CUDA GPU, and this machine has none",
            "use precision 32 or bf16; a run that began in 16 is continued on a machine with a GPU",
        )


def _has_bf16() -> bool:
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    instructions: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch do not say
    return any(there for name, there in instructions.items() if "bf16" in name)


def make_fabric(precision: str, devices: int = 1) -> Fabric:
    """Choose the hardware: GPUs where there are any, else the CPU.

    Args:
        precision: "32", "bf16" or "16", as ``resolve_precision`` returns it.
        devices: How many; more than one means one process for each.

    Raises:
        KCEError: If there are fewer GPUs than `devices`, or none and `precision` needs one.
    """
    import torch
    from lightning_fabric import Fabric

    _require_hardware(precision)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells each fabric's precision to the user
    strategy = "auto" if devices == 1 else "ddp_spawn"
    if torch.cuda.is_available():
        accelerator = "cuda"
        if devices > torch.cuda.device_count():
            raise KCEError(
                f"{devices} devices asked for, but there are {torch.cuda.device_count()} GPUs",
                "use as many as there are",
            )
    else:
        accelerator = "auto" if devices == 1 else "cpu"
    return Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=_FABRIC_PRECISION[precision])


def to_network_input(fabric: Fabric, images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 faces (n, size, size, 3) into float faces (n, 3, size, size) in [0, 1] on the device.

    Permuting the axes of such an array gives channels-last memory without a copy, and bytes are a quarter of the
    floats to transfer.
    """
    import torch

    batch: torch.Tensor = fabric.to_device(torch.from_numpy(images).permute(0, 3, 1, 2))
    return batch.float().div_(255)


def sum_over_processes(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all processes; each of them must call this and gets the sum."""
    if fabric.world_size == 1:
        return values
    total: torch.Tensor = fabric.all_reduce(values, reduce_op="sum")  # type: ignore[assignment]
    return total


def gather_rows(fabric: Fabric, rows: torch.Tensor, max_rows: int) -> list[NDArray[np.float32]]:
    """Collect the rows of all processes; each of them must call this.

    Args:
        fabric: Fabric of this process.
        rows: (n, dim), n at most `max_rows`; n may differ between processes.
        max_rows: The same in every process.

    Returns:
        One array for each process, by rank: (max_rows, dim), filled up with rows of zeros. With one process: (n, dim).
    """
    import torch

    if fabric.world_size == 1:
        return [rows.cpu().numpy()]
    padded = torch.nn.functional.pad(rows, (0, 0, 0, max_rows - len(rows)))
    parts = [torch.empty_like(padded) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(parts, padded.contiguous())
    return [part.cpu().numpy() for part in parts]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or numpy raised this error because memory ran out, on the device or on the host."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "could not create a memory object",
    "could not create a primitive",  # oneDNN, when there is no room for its code or scratchpad
    "out of memory",
)


def largest_fitting_batch(attempt: Callable[[int], Any], below: int) -> int:
    """Find the largest of below/2, below/4, ... for which `attempt(size)` does not run out of memory; 0 if none."""
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
