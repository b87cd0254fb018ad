"""Weights from elsewhere: files that others' code saved, read into networks of ours.

``kce.training.weights`` is for the files KCE writes itself, which say what made them. Here nothing is known but
tensors and
names, and both follow many habits. KCE's own files can be read this way too, as the start of another training.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BadData

if TYPE_CHECKING:
    from torch import Tensor, nn

# What a file may hold its weights under, beside an optimizer and counters.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network")
# What trainers call the whole network: torch's parallel training; DeepfakeBench and KCE; KCE's timm; FaceForensics++.
WRAPPERS = ("module.", "backbone.", "net.", "model.")
HEADS = ("fc", "head", "classifier", "last_linear")
# DeepfakeBench's Xception always has this 2048 -> 512 convolution and uses it in one mode only (networks/xception.py).
EXTRAS = ("adjust_channel",)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by their bare names, on the CPU, in the file's order. No code of the file is ever run.

    path  a .safetensors file, or whatever ``torch.save`` wrote of a state_dict, also inside one of CONTAINERS
    A wrapper goes from the names if every name but the head's has it. Pointwise convolutions saved as matrices
    (out, in), as in ``xception-b5690688.pth``, become (out, in, 1, 1).
    Raises BadData for a file that is missing, empty, damaged, or holds anything but plain weights.
    """
    path = Path(path)
    if not path.is_file():
        raise BadData(f"no weights file {path}", "give the path of a .safetensors or .pth file")
    if not path.stat().st_size:
        raise BadData(f"{path} is empty, not a file of plain weights", "fetch or copy it again")
    state = _tensors(path, _safetensors(path) if path.suffix.lower() == ".safetensors" else _pickled(path))
    bare = dict(zip(_bare(state), state.values(), strict=True))
    return {name: _four_axes(tensor) if _is_matrix(name, tensor) else tensor for name, tensor in bare.items()}


def load_weights(network: nn.Module, source: Mapping[str, Tensor] | str | Path) -> None:
    """Put weights into a network that has no head: all of them, and nothing left over but a head and EXTRAS.

    source  a file for ``read_weights``, or what it gave
    A missing ``num_batches_tracked`` is left as it is: files from before torch 0.4.1 lack it, and features need it not.
    Raises BadData with the first names that are missing, unexpected or of another shape; the network is then untouched.
    """
    state = source if isinstance(source, Mapping) else read_weights(source)
    own = network.state_dict()
    wanted = dict(zip(_bare(own), own, strict=True))
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    foreign = [name for name in state if name not in wanted and name.split(".")[0] not in HEADS + EXTRAS]
    shared = {name: (tuple(own[at].shape), tuple(state[name].shape)) for name, at in wanted.items() if name in state}
    other = [f"{name} {there}, not {here}" for name, (here, there) in shared.items() if here != there]
    if missing or foreign or other:
        what = "these weights do" if isinstance(source, Mapping) else f"{source} does"
        raise BadData(
            f"{what} not fit the network: missing {_first(missing)}; unexpected {_first(foreign)}; "
            f"of another shape {_first(other)}",
            "the file must hold weights of the same network",
        )
    network.load_state_dict({wanted[name]: state[name] for name in shared}, strict=False)


def _first(names: list[str], n: int = 3) -> str:
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more if names else "none"


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # a foreign file can make the reader raise anything
        raise BadData(f"{path} is not a file of plain weights: {error}", "fetch or copy it again") from error


def _pickled(path: Path) -> Any:
    import torch

    try:
        # torch stores without compression; a compressed file could be of any size when read.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise BadData(f"{path} is not a file of plain weights: it is compressed", "unpack it first")
        return torch.load(path, map_location="cpu", weights_only=True)
    except BadData:
        raise
    except Exception as error:  # a foreign file can make the reader raise anything
        # torch's own message advises to trust the file, which nobody should.
        found = re.search(r"GLOBAL (\S+)", str(error))
        if found:
            raise BadData(
                f"{path} is not a file of plain weights: it holds {found[1]}, and KCE runs no code from a file",
                "where it was made, save the network's state_dict() alone",
            ) from error
        reason = str(error).splitlines()[0] if "weights_only" not in str(error) else "torch cannot read it"
        raise BadData(f"{path} is not a file of plain weights: {reason}", "fetch or copy it again") from error


def _tensors(path: Path, state: Any) -> dict[str, Tensor]:
    """The tensors inside all containers. Raises BadData where there are none, or some that are no plain numbers."""
    import torch

    while isinstance(state, dict) and (inner := [state[c] for c in CONTAINERS if isinstance(state.get(c), dict)]):
        state = inner[0]
    if not isinstance(state, dict):
        raise BadData(f"{path} holds a {type(state).__name__}, not weights by name", "save a state_dict")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadData(f"{path} holds no weights; it holds {_first([str(name) for name in state])}", "save a state_dict")
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
            raise BadData(f"{path}: {name} is not a tensor of plain numbers", "save a state_dict of float weights")
    return tensors


def _bare(names: Iterable[str]) -> list[str]:
    """Names without the wrappers that all of them have; a head may stand outside."""
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
