"""KCE's own weights files: safetensors, with metadata that says what made the weights. Never a pickle.

Weights from elsewhere are read by ``kce.training.pretrained``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BadData, Refused
from kce.system.atomic import atomic_replace
from kce.system.os_errors import error_number, is_system_error, system_failure
from kce.system.regular import open_regular, require_file_inside, require_regular

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from kce.registry.registry import Registry


TRAIN_AGAIN = "if it was damaged, restore a copy, or move it away to train again"
"""What to do about a weights file that is not whole."""


def write_weights_file(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a weights file atomically: a reader finds the old file or the new one, complete.

    Args:
        path: The ``.safetensors`` file.
        tensors: Tensors by name, on any device.
        metadata: Types that JSON has; must hold "provenance", everything that decides what the weights are.

    Raises:
        OSError: If the file cannot be written, for example because the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_replace(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"kce": json.dumps(metadata)})
        except SafetensorError as error:
            # safetensors wraps system errors, which hides the difference between a full disk and a bug of ours.
            number = error_number(error)
            raise (OSError(number, str(error), str(path)) if number else error) from error
        temporary.chmod(path.parent.stat().st_mode & 0o666)  # safetensors makes it readable by the owner only


def read_weights_file(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a weights file that KCE wrote.

    Returns:
        The tensors by name, on the CPU, and the metadata.

    Raises:
        BadData: If there is no such file, or it is not a weights file of KCE.
    """
    with _opened(path, "pt") as (file, metadata):
        return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 - not a mapping


def read_weights_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata of a weights file alone. Raises BadData as ``read_weights_file`` does."""
    with _opened(path, "np") as (_, metadata):  # without loading torch
        return metadata


def read_head_weights(path: Path) -> tuple[list[str], NDArray[np.floating]]:
    """Read the classes of a weights file, and the weights of its last layer (classes, dim), without loading torch.

    Raises:
        BadData: As ``read_weights_file``, and if it has neither.
    """
    with _opened(path, "np") as (file, metadata):
        classes = metadata["classes"]
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("its metadata do not name its classes")
        return classes, file.get_tensor("head.weight")


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    from safetensors import SafetensorError, safe_open

    require_file_inside(path.parent, path.name)
    try:
        require_regular(path)
        with safe_open(path, framework=framework) as file:
            yield file, _checked_metadata(json.loads((file.metadata() or {})["kce"]), path)
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        if is_system_error(error):
            raise system_failure(f"{path} cannot be read", error) from error
        raise BadData(
            f"{path} is not a weights file of KCE: {error}",
            TRAIN_AGAIN,
        ) from error


def _checked_metadata(metadata: Any, path: Path) -> dict[str, Any]:
    if isinstance(metadata, dict) and "provenance" not in metadata:
        raise BadData(
            f"{path} was written by an older version of KCE",
            "move it away to train again, or use the version that wrote it",
        )
    provenance = metadata["provenance"] if isinstance(metadata, dict) else None
    if not isinstance(provenance, dict) or not all(isinstance(value, str) for value in provenance.values()):
        raise BadData(
            f"{path} is not a weights file of KCE: its metadata do not say what made it",
            TRAIN_AGAIN,
        )
    return metadata  # type: ignore[no-any-return]


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes, in hexadecimal."""
    with open_regular(path) as file:
        state = sha256()
        while chunk := file.read(2**20):
            state.update(chunk)
    return state.hexdigest()


def load_backbone(path: Path, registry: Registry) -> nn.Module:
    """Build the backbone of a weights file by its name, and load its weights; the classifier's head is left out.

    Raises:
        BadData: The file names no backbone, or its weights are not those of the backbone.
    """
    tensors, metadata = read_weights_file(path)
    spec = metadata.get("architecture")
    if not isinstance(spec, str):
        raise BadData(f"{path} does not name its backbone", TRAIN_AGAIN)
    network: nn.Module = registry.build("backbone", spec)
    own = {name.removeprefix("backbone."): value for name, value in tensors.items() if name.startswith("backbone.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:  # torch lists every name that is missing or of another shape
        first = " ".join(str(error).split())[:200]
        raise BadData(f"{path} does not hold the weights of {spec}: {first}", TRAIN_AGAIN) from error
    return network


def weights_exist(path: Path, provenance: Mapping[str, str]) -> bool:
    """Whether the file exists and was made in exactly this way.

    Raises:
        Refused: If it was made with different settings; the message lists the differences.
        BadData: If it is not a weights file of KCE.
    """
    if not path.is_file():
        return False
    existing = read_weights_metadata(path)["provenance"]
    if existing == dict(provenance):
        return True
    raise Refused(
        f"{path} was made with different settings:\n{format_differences(existing, provenance)}",
        "name another folder for this run, or move that file away to train again",
    )


def format_differences(existing: Mapping[str, str], requested: Mapping[str, str]) -> str:
    """List what differs between two provenances, one line for each key.

    >>> print(format_differences({"epochs": "2", "seed": "0"}, {"epochs": "3", "seed": "0", "loss": "softmax"}))
      epochs: was '2', now '3'
      loss: was unset, now 'softmax'
    """

    def shown(value: str | None) -> str:
        return "unset" if value is None else repr(value)

    names = [name for name in {**existing, **requested} if existing.get(name) != requested.get(name)]
    return "\n".join(f"  {name}: was {shown(existing.get(name))}, now {shown(requested.get(name))}" for name in names)


def reuse_weights(to: Path, provenance: Mapping[str, str], folders: Iterable[Path]) -> bool:
    """Link or copy weights made in exactly this way from another run's folder, so that nothing is trained twice.

    Args:
        to: The file to create.
        provenance: Provenance of the weights that are needed.
        folders: Where to look for ``*.safetensors``.

    Returns:
        Whether such weights were found; otherwise nothing was written.
    """
    for folder in folders:
        for candidate in sorted(folder.glob("*.safetensors")):
            if candidate != to and read_weights_metadata(candidate)["provenance"] == dict(provenance):
                with atomic_replace(to) as temporary:
                    temporary.unlink()  # a link is made only where no file is
                    try:
                        temporary.hardlink_to(candidate)
                    except OSError:  # another disk, or a file system without links
                        shutil.copyfile(candidate, temporary)
                return True
    return False
