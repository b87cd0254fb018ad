"""Pretrained weights: files that other programs saved, loaded into backbones.

``kce.training.weights`` is for the files that KCE writes, whose metadata says what made them. Here only tensors and
their names are known, and naming conventions differ. KCE's own files can be read this way too, as initial weights.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BadData
from kce.system.os_errors import is_system_error, system_failure

if TYPE_CHECKING:
    from torch import Tensor, nn

# Keys under which training scripts store the weights, beside an optimizer and counters.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network")
# Prefixes of all names: of torch's DataParallel; DeepfakeBench and KCE; KCE's timm backbones; FaceForensics++.
WRAPPERS = ("module.", "backbone.", "net.", "model.")
HEADS = ("fc", "head", "classifier", "last_linear")
# DeepfakeBench's Xception always holds this 2048 -> 512 convolution, but uses it in one mode only
# (training/networks/xception.py).
EXTRAS = ("adjust_channel",)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file. No code from the file is ever run.

    Args:
        path: A ``.safetensors`` file, or what ``torch.save`` wrote for a state_dict, also one nested under a key such
            as "state_dict" or "model".

    Returns:
        The tensors by name, on the CPU, in the file's order. A prefix ("module.", "backbone.", "net.", "model.") is
        removed if every name has it, apart from a classifier's. Pointwise convolutions saved as matrices (out, in), as
        in ``xception-b5690688.pth``, become (out, in, 1, 1).

    Raises:
        BadData: If the file is missing, empty, damaged, or holds anything but plain weights.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "weights.pth"
        ...     torch.save({"state_dict": {"module.layer.weight": torch.ones(2, 3)}}, file)
        ...     weights = read_weights(file)
        >>> {name: tuple(tensor.shape) for name, tensor in weights.items()}
        {'layer.weight': (2, 3)}
    """
    path = Path(path)
    if not path.is_file():
        raise BadData(f"no weights file {path}", "give the path of a .safetensors or .pth file")
    if not path.stat().st_size:
        raise BadData(f"{path} is empty, not a file of plain weights", "fetch or copy it again")
    state = _tensors(path, _safetensors(path) if path.suffix.lower() == ".safetensors" else _pickled(path))
    bare = dict(zip(_without_prefixes(state), state.values(), strict=True))
    return {name: _four_axes(tensor) if _is_matrix(name, tensor) else tensor for name, tensor in bare.items()}


def load_weights(network: nn.Module, source: Mapping[str, Tensor] | str | Path) -> None:
    """Load weights into a network without a classifier.

    All of the network's weights must be there, and no others except a classifier's. A missing ``num_batches_tracked``
    is tolerated: files from before torch 0.4.1 lack it, and features do not depend on it.

    Args:
        network: Unchanged if an error is raised.
        source: A file for ``read_weights``, or its result.

    Raises:
        BadData: If the weights do not fit; the message lists the first names that are missing, unexpected or of
            another shape.

    Example:
        A backbone's factory loads the file that its parameter ``weights`` names; here the weights are in memory.

        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Linear(3, 2))
        >>> load_weights(network, {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)})
        >>> network(torch.ones(1, 3)).tolist()
        [[3.0, 3.0]]
    """
    state = source if isinstance(source, Mapping) else read_weights(source)
    own = network.state_dict()
    full_names = dict(zip(_without_prefixes(own), own, strict=True))
    missing = [name for name in full_names if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in full_names and name.split(".")[0] not in HEADS + EXTRAS]
    shapes = {n: (tuple(own[full].shape), tuple(state[n].shape)) for n, full in full_names.items() if n in state}
    reshaped = [f"{name} {theirs}, not {ours}" for name, (ours, theirs) in shapes.items() if ours != theirs]
    if missing or unexpected or reshaped:
        subject = "these weights do" if isinstance(source, Mapping) else f"{source} does"
        raise BadData(
            f"{subject} not fit the network: missing {_first(missing)}; unexpected {_first(unexpected)}; "
            f"of another shape {_first(reshaped)}",
            "the file must hold weights of the same network",
        )
    network.load_state_dict({full_names[name]: state[name] for name in shapes}, strict=False)


def _first(names: list[str], n: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more if names else "none"


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # an arbitrary file can make the reader raise anything
        if isinstance(error, OSError) and is_system_error(error):
            raise system_failure(f"{path} cannot be read", error) from error
        raise BadData(f"{path} is not a file of plain weights: {error}", "fetch or copy it again") from error


def _pickled(path: Path) -> Any:
    import torch

    try:
        # torch stores without compression; a compressed file could expand to any size.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise BadData(f"{path} is not a file of plain weights: it is compressed", "unpack it first")
        return torch.load(path, map_location="cpu", weights_only=True)
    except BadData:
        raise
    except Exception as error:  # an arbitrary file can make the reader raise anything
        if isinstance(error, OSError) and is_system_error(error):
            raise system_failure(f"{path} cannot be read", error) from error
        # torch's own message advises to trust the file, which nobody should do.
        name = re.search(r"GLOBAL (\S+)", str(error))
        if name:
            raise BadData(
                f"{path} is not a file of plain weights: it holds {name[1]}, and KCE runs no code from a file",
                "save only the network's state_dict() where the file was made",
            ) from error
        lines = [] if "weights_only" in str(error) else str(error).splitlines()
        reason = lines[0] if lines else "torch cannot read it"
        raise BadData(f"{path} is not a file of plain weights: {reason}", "fetch or copy it again") from error


def _tensors(path: Path, state: Any) -> dict[str, Tensor]:
    """The tensors inside all containers. Raises BadData if there are none, or one that is not made of plain numbers."""
    import torch

    seen: list[Any] = []
    while isinstance(state, dict) and (inner := [state[c] for c in CONTAINERS if isinstance(state.get(c), dict)]):
        seen.append(state)
        state = inner[0]
        if any(state is outer for outer in seen):
            raise BadData(f"{path} is not a file of plain weights: a table in it holds itself", "save a state_dict")
    if not isinstance(state, dict):
        raise BadData(f"{path} holds a {type(state).__name__}, not weights by name", "save a state_dict")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor) and type(name) is str}
    if not tensors:
        raise BadData(f"{path} holds no weights; it holds {_first([str(name) for name in state])}", "save a state_dict")
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
            raise BadData(f"{path}: {name} is not a tensor of plain numbers", "save a state_dict of float weights")
    return tensors


def _without_prefixes(names: Iterable[str]) -> list[str]:
    """Remove the prefixes that all names have; a classifier's names may lack them."""
    names = list(names)
    while True:
        body = [name for name in names if name.split(".")[0] not in HEADS]
        wrapper = next((w for w in WRAPPERS if body and all(name.startswith(w) for name in body)), None)
        if wrapper is None:
            return names
        names = [name.removeprefix(wrapper) for name in names]


def _is_matrix(name: str, tensor: Tensor) -> bool:
    return name.endswith(".pointwise.weight") and tensor.ndim == 2


def _four_axes(tensor: Tensor) -> Tensor:
    return tensor[:, :, None, None]
