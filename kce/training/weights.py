"""KCE's own files of weights: safetensors, with what made them beside the tensors. Never a pickle.

Files from elsewhere are read by ``kce.training.pretrained``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BadData, Refused
from kce.system.atomic import atomic_replace

if TYPE_CHECKING:
    import torch
    from torch import nn

    from kce.registry.registry import Registry


def write_weights_file(path: Path, tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> None:
    """Publish a file at once: whoever reads it finds the old one or the new one, whole."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_replace(path) as part:
        try:
            save_file(plain, part, metadata={"kce": json.dumps(about)})
        except SafetensorError as error:
            # It wraps what the system said, and with that the difference between a full disk and a fault of ours.
            number = re.search(r"os error (\d+)", str(error))
            raise (OSError(int(number[1]), str(error), str(path)) if number else error) from error
        part.chmod(path.parent.stat().st_mode & 0o666)  # it comes for the owner's eyes alone


def read_weights_file(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and what made them. Raises BadData for anything that is no such file."""
    with _opened(path) as (file, about):
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - not a mapping


def read_weights_metadata(path: Path) -> dict[str, Any]:
    """What made the weights, without reading them."""
    with _opened(path) as (_, about):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file, json.loads((file.metadata() or {})["kce"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadData(f"{path} holds no weights of KCE: {error}", "delete it; it will be made again") from error


def file_sha256(path: Path) -> str:
    """sha256 of the file's bytes."""
    with path.open("rb") as file:
        state = sha256()
        while chunk := file.read(2**20):
            state.update(chunk)
    return state.hexdigest()


def load_backbone(path: Path, registry: Registry) -> nn.Module:
    """The network of a file, built by name and filled with its weights."""
    tensors, about = read_weights_file(path)
    network: nn.Module = registry.build("backbone", about["architecture"])
    network.load_state_dict({k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")})
    return network


def weights_exist(path: Path, provenance: Mapping[str, str]) -> bool:
    """Whether the file is there and was made this way. Raises Refused where it was made another way."""
    if not path.is_file():
        return False
    there = read_weights_metadata(path)["provenance"]
    if there == dict(provenance):
        return True
    raise Refused(f"{path} was made another way:\n{format_differences(there, provenance)}", _HINT)


_HINT = "name another folder for this run, or delete that file to make it again"


def format_differences(there: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """The causes that differ, one a line: what is there, and what is asked for."""
    names = [name for name in {**there, **wanted} if there.get(name) != wanted.get(name)]
    return "\n".join(f"  {name}: there {there.get(name)!r}, asked for {wanted.get(name)!r}" for name in names)


def reuse_weights(to: Path, provenance: Mapping[str, str], places: Iterable[Path]) -> bool:
    """Take over weights made this very way in another run's folder, so that nothing is trained twice."""
    for place in places:
        for candidate in sorted(place.glob("*.safetensors")):
            if candidate != to and read_weights_metadata(candidate).get("provenance") == dict(provenance):
                with atomic_replace(to) as part:
                    try:
                        part.hardlink_to(candidate)
                    except OSError:  # another disk, or a file system without links
                        shutil.copyfile(candidate, part)
                return True
    return False
