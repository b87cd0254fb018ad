"""What the metadata of installed packages say: where KCE was installed from, and who else claims the module ``kce``.

The distribution is called ``kce-toolkit``; on the package index, ``kce`` is somebody else's package.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from typing import Any

from kce.registry.package_metadata import installed_packages, metadata_fields, normalised_name
from kce.system.package_files import read_metadata
from kce.system.version import __version__

DISTRIBUTION = "kce-toolkit"
_MODULE_FILE = re.compile(r"^kce(?:/|\.py,|\.so,)", re.MULTILINE)  # in a RECORD


@dataclass(frozen=True)
class InstallSource:
    """What pip recorded about the origin of this KCE.

    Attributes:
        reference: What pip can install it from again: a folder, a file, or a direct reference such as
            ``git+https://HOST/kce.git@COMMIT``. Empty if it came from a package index.
        local: Whether only this machine can reach it.
        editable: Whether it is a folder that was installed with ``pip install -e``.
    """

    reference: str = ""
    local: bool = False
    editable: bool = False


def install_source() -> InstallSource:
    """Read the ``direct_url.json`` of KCE's own distribution (PEP 610)."""
    import json

    try:
        text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        return _parse_direct_url(json.loads(text)) if text else InstallSource()
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return InstallSource()  # a hint is not worth an error


def _parse_direct_url(document: dict[str, Any]) -> InstallSource:
    url = document["url"]
    local = url.startswith("file:")
    if vcs := document.get("vcs_info"):
        reference = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    elif local:
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        folder = url2pathname(urlsplit(url).path)
        return InstallSource(folder, local, editable=bool(document.get("dir_info", {}).get("editable")))
    else:
        reference = url
    if subdirectory := document.get("subdirectory"):
        reference += f"#subdirectory={subdirectory}"
    return InstallSource(reference, local)


def reinstall_command() -> str:
    """The pip command that installs this KCE again, from where it came."""
    import shlex

    source = install_source()
    if source.editable:
        return f"pip install --no-deps -e {shlex.quote(source.reference)}"
    if "://" in source.reference:
        what = f'"{DISTRIBUTION} @ {source.reference}"'
    else:
        what = shlex.quote(source.reference) if source.reference else f'"{DISTRIBUTION}=={__version__}"'
    return f"pip install --no-deps --force-reinstall {what}"


def other_claimants() -> list[str]:
    """List every other installed distribution that holds the module ``kce``, or is called so, as "NAME __version__".

    It reads the file list of all installed distributions: too slow for a command that is called often.
    """
    claimants = set()
    for package in installed_packages():
        fields = metadata_fields(package.distribution)
        name = fields.get("name", package.name)
        normalised = normalised_name(name)
        if normalised != DISTRIBUTION and (normalised == "kce" or _holds_our_module(package.distribution)):
            claimants.add(f"{name} {fields.get('version', '')}".strip())
    return sorted(claimants)


def _holds_our_module(distribution: importlib.metadata.Distribution) -> bool:
    files = read_metadata(distribution, "RECORD")
    if "kce" in files and _MODULE_FILE.search(files):  # most lists are long and have no such name
        return True
    # An old kind of package has this file, and one that is installed as editable.
    return "kce" in read_metadata(distribution, "top_level.txt").split()
