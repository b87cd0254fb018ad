"""JSON files in the format of DeepfakeBench: videos with labels, and lists of their frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kce import Unparsed

from .names import Names, Unclear

Parts = tuple[str, ...]

MAX_DEPTH = 8  # levels of a JSON file; deeper ones are not of DeepfakeBench


class Video(NamedTuple):
    """What a JSON file says of a video."""

    dataset: str
    method: str
    split: str


def walk_json(node: Any, keys: Parts = ()) -> Iterator[tuple[Parts, dict[str, Any]]]:
    """The videos of a JSON file with the keys that lead to them; anything else is given as an empty one."""
    if isinstance(node, dict) and isinstance(node.get("frames"), list):
        yield keys, node
    elif isinstance(node, dict) and len(keys) < MAX_DEPTH:
        for key, below in node.items():
            yield from walk_json(below, (*keys, key))
    else:
        yield keys, {}


def describe_video(keys: Parts, video: dict[str, Any], names: Names) -> Video:
    """Read the keys and the label of a video.

    Raises:
        Unparsed: It is not a video, or its label contradicts its keys.
        Unclear: Its label may be that of reals or of forgeries.
    """
    label = video.get("label")
    if len(keys) < 3 or "frames" not in video or not isinstance(label, str):
        raise Unparsed("expected dataset -> label -> ... -> {label, frames}")
    truths = {text: names.truth(text) for text in (label, keys[1])}
    known = [truth for truth in truths.values() if truth is not None]
    if len(set(known)) > 1:
        raise Unparsed(f"label {label!r} contradicts its parent {keys[1]!r}")
    for text in truths:
        if not known and (doubt := names.read(text).doubt):
            say = f'say folder:real="{text}" or folder:fake="{text}"'
            raise Unclear(f"the label {text}", doubt, say)
    method = "real" if known and known[0] else keys[1].removeprefix(f"{keys[0]}_")
    splits = [names.read(key).split for key in keys[2:] if names.read(key).general]
    return Video(names.dataset or keys[0], method, next(filter(None, splits), ""))


def find_prefixes(paths: Sequence[tuple[Parts, str]], exists: Callable[[Parts], bool]) -> dict[Parts, int]:
    """Find how many leading folders of listed paths do not exist below the root.

    Lists are put together from several sources, whose paths begin differently. Paths are told apart by their first
    folder, and of those with one first folder only what they share can be missing. Folders that tell two labels apart
    are never dropped.

    Args:
        paths: A path of each video, and its label.
        exists: Whether there is a file at a path.

    Returns:
        Shared leading folders that are not there -> how many of them; paths that begin otherwise are as they are.
    """
    by_first: dict[str, list[tuple[Parts, str]]] = defaultdict(list)
    for path, label in paths:
        by_first[path[0] if len(path) > 1 else ""].append((path, label))
    found: dict[Parts, int] = {}
    below: dict[Parts, set[tuple[Parts, str]]] = defaultdict(set)  # folder below which videos are -> prefix and label
    for listed in by_first.values():
        only = [path for path, _ in listed]
        dropped = _missing_folders(only, exists)
        prefix = only[0][:dropped]
        if prefix:
            found[prefix] = dropped
        for path, label in listed:
            below[path[dropped:-2]].add((prefix, label))
    for mixed in below.values():
        prefixes = {prefix for prefix, _ in mixed if prefix}
        if len(prefixes) > 1 and len({label for _, label in mixed}) > 1:
            for prefix in prefixes:
                found.pop(prefix, None)
    return found


def without_prefix(path: Parts, prefixes: dict[Parts, int]) -> Parts:
    """A path without the leading folders that do not exist."""
    return next((path[number:] for prefix, number in prefixes.items() if path[:number] == prefix), path)


def _missing_folders(paths: list[Parts], exists: Callable[[Parts], bool]) -> int:
    pairs = zip(min(paths)[:-2], max(paths)[:-2], strict=False)
    shared = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(path) for path in paths) - 2)
    for above in range(shared + 1):
        if any(exists(path[above:]) for path in paths):
            return above
    return 0
