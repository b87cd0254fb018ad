"""Finds the root folder of a dataset in or around the folder that a user names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kce.data.names import Parts, fold_name
from kce.errors import KCEError
from kce.system.os_errors import system_failure
from kce.system.text import printable

MAX_FOLDERS = 1000  # folders looked into on each level below
MAX_NAMES = 12  # folders named in a message


class WrongRoot(KCEError):
    """A folder that does not look like this dataset; it may be another dataset's."""


@dataclass(frozen=True)
class RootRules:
    """How the root folder of a dataset is recognised; see the attributes of ``Tree`` with these names.

    Attributes:
        dataset: Name of the dataset, for messages.
        root_contains: Names of folders in the root, in tiers; empty where any folder may be the root.
        root_names: Names of the root folder itself, which decide between several candidates.
        excluded_root_names: Names of root folders of similar datasets.
    """

    dataset: str
    root_contains: tuple[Parts, ...] = ()
    root_names: Parts = ()
    excluded_root_names: Parts = ()


def find_root(rules: RootRules, given: Path) -> Path:
    """Find a dataset's root: the folder given, or one up to two levels below or above it.

    Raises:
        WrongRoot: No folder there looks like the dataset's root.
        KCEError: The folder is missing, a file, empty or unreadable, or several folders look like the root.
    """
    if not given.exists():
        raise KCEError(f"no folder {given}", f"give the folder that {rules.dataset} was unpacked to")
    if not given.is_dir():
        raise KCEError(f"{given} is a file, not a folder", f"give the folder that {rules.dataset} was unpacked to")
    try:
        content = sorted(os.listdir(given))  # noqa: PTH208 - names are what is needed
    except OSError as error:
        raise system_failure(f"{given} cannot be read", error) from error
    if not content:
        raise KCEError(f"{given} is empty", f"unpack {rules.dataset} there, or give the folder it was unpacked to")
    if not rules.root_contains:
        return given
    for tier in rules.root_contains:
        for candidates in _candidates(given):
            if root := _choose(rules, candidates, tier):
                return root
    folders = _joined([name for tier in rules.root_contains for name in tier])
    raise WrongRoot(
        f"{given} does not look like {rules.dataset}: none of the folders {folders} is in it or in a folder up to "
        f"two levels below or above; it contains {_joined([printable(name) for name in content])}",
        f"give the folder of {rules.dataset} that contains {rules.root_contains[0][0]}",
    )


def _candidates(given: Path) -> Iterator[list[Path]]:
    """Where the root may be, nearest first and below before above."""
    yield [given]
    below = _folders(given)
    yield below
    yield [folder for child in below for folder in _folders(child)][:MAX_FOLDERS]
    above = Path(os.path.abspath(given)).parents  # noqa: PTH100 - as the user wrote it, not where links lead
    yield from ([parent] for parent in above[:2])


def _choose(rules: RootRules, candidates: list[Path], tier: Parts) -> Path | None:
    wanted, excluded = ({fold_name(name) for name in names} for names in (tier, rules.excluded_root_names))
    matching = [folder for folder in candidates if _contains_one_of(folder, wanted)]
    own = [folder for folder in matching if _folded_name(folder) not in excluded]
    if matching and not own:
        raise WrongRoot(
            f"{matching[0]} is another dataset than {rules.dataset}, by its name",
            "choose the adapter of that dataset, or rename the folder if its name is wrong",
        )
    for root_name in map(fold_name, rules.root_names):
        if named := [folder for folder in own if _folded_name(folder) == root_name]:
            own = named
            break
    if len(own) > 1:
        raise KCEError(
            f"several folders look like {rules.dataset}: {_joined([str(folder) for folder in own])}",
            "give one of them as the root",
        )
    return own[0] if own else None


def _folded_name(folder: Path) -> str:
    return fold_name(os.path.basename(os.path.abspath(folder)))  # noqa: PTH100, PTH119 - Path(".") has no name


def _contains_one_of(folder: Path, folded_names: set[str]) -> bool:
    return any(fold_name(name) in folded_names and (folder / name).is_dir() for name in names_in(folder))


def names_in(folder: Path) -> list[str]:
    """The names of the files and folders in a folder; none where it cannot be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are what is needed
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without links and hidden ones."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)[:MAX_FOLDERS]]


def _joined(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
