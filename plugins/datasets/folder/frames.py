"""The samples of a JSON file of DeepfakeBench."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kce import Remark, Sample, Tree, Unparsed

from .listcheck import ListCheck
from .listing import Video, describe_video, find_prefixes, walk_json, without_prefix
from .names import Names, Unclear

Parts = tuple[str, ...]

COMPRESSIONS = ("c23", "c40", "raw")
FIRST_FOLDER = re.compile(r"(?<=[^./\\])[/\\]")


class Frames:
    """Reads a JSON file.

    Args:
        tree: The root.
        absolute_root: The root, absolute and with a separator at its end.
        listing: The JSON file.
        names: What names say.
        compression: The compression that is read; "all" = every one.
    """

    def __init__(self, tree: Tree, absolute_root: str, listing: Path, names: Names, compression: str) -> None:
        self.tree = tree
        self.absolute_root = absolute_root
        self.listing = listing
        self.names = names
        self.compression = compression
        self.check = ListCheck(listing.name)
        self.seen: dict[str, str] = {}  # key -> where in the JSON file
        self.prefixes: dict[Parts, int] = {}

    def __iter__(self) -> Iterator[Sample | Remark]:
        videos = list(walk_json(self.tree.read_json(self.listing)))
        self.prefixes = find_prefixes(list(self._beginnings(videos)), self._exists)
        unclear: dict[str, Remark] = {}
        for keys, video in videos:
            where = f"{'/'.join(keys)[:200]} in {self.listing.name}"
            compressions = [key for key in keys[2:] if key in COMPRESSIONS]
            try:
                described = describe_video(keys, video, self.names)
            except Unparsed as error:
                yield Remark("unparsed", where, str(error))
                continue
            except Unclear as error:
                unclear.setdefault(error.folder, Remark("error", error.folder, error.reason, error.hint))
                yield Remark("unparsed", where, error.reason)
                continue
            if compressions and self.compression not in (*compressions, "all"):
                yield Remark("ignored", where, f"compression {compressions[0]}")
                continue
            if not video["frames"]:
                yield Remark("missing", where, "without frames")
            for entry in video["frames"]:
                try:
                    yield self._frame(without_prefix(self._parts(entry), self.prefixes), described, where)
                except Unparsed as error:
                    yield Remark("unparsed", str(entry)[:200], f"{where}: {error}")
        yield from unclear.values()
        yield from self.check.errors()

    def _frame(self, parts: Parts, video: Video, where: str) -> Sample | Remark:
        self.check.rows += 1
        key, real = "/".join(parts), video.method == "real"
        if self.names.truth_of_folders(parts[:-1]) not in (None, real):
            reason = f"{where} says {video.method}, its folders do not"
            self.check.add_contradiction(f"{key}: {reason}")
            return Remark("conflict", key, f"{reason}; it is left out")
        path = self.tree.find_exact(parts)
        if path is None:
            return Remark("missing", key, where, category=f"{video.dataset}_{video.method}")
        if key in self.seen:
            return Remark("conflict", key, f"{where}; also {self.seen[key]}, which is kept")
        self.seen[key] = where
        number = int(path.stem) if re.fullmatch("[0-9]{1,9}", path.stem) else None
        return Sample(key, path, video.dataset, video.method, real, key.rpartition("/")[0], (), video.split, number)

    def _parts(self, entry: object) -> Parts:
        if not isinstance(entry, str):
            raise Unparsed("not a path")
        return self.tree.listed_parts(entry.replace("\\", "/").removeprefix(self.absolute_root))

    def _beginnings(self, videos: list[tuple[Parts, dict[str, Any]]]) -> Iterator[tuple[Parts, str]]:
        """A frame of each video for each first folder that its frames have, and the video's label."""
        for keys, video in videos:
            frames = [frame for frame in video.get("frames", ()) if isinstance(frame, str)]
            for frame in {FIRST_FOLDER.split(frame, maxsplit=1)[0]: frame for frame in frames}.values():
                try:
                    yield self._parts(frame), "/".join(keys[:2])
                except Unparsed:
                    continue

    def _exists(self, parts: Parts) -> bool:
        try:
            return self.tree.find_exact(parts) is not None
        except Unparsed:
            return False
