"""What the user says about folders and file names: the parameters `levels` and `group`."""

from __future__ import annotations

import re

from kce import KCEError, Unparsed

from .names import Names, Reading, Unclear

LEVELS = ("dataset", "method", "label", "split", "video", "*")


def parse_levels(text: str) -> tuple[str, ...]:
    """The levels of folders, from the root down: "split/label". Raises KCEError for any other text."""
    levels = tuple(level.strip() for level in text.strip("/").split("/")) if text else ()
    unknown = [level for level in levels if level not in LEVELS]
    twice = [level for level in levels if level != "*" and levels.count(level) > 1]
    if unknown or twice or (levels and not {"label", "method"} & {*levels}):
        problem = (
            f"{unknown[0]!r} is not one"
            if unknown
            else f"{twice[0]!r} occurs twice"
            if twice
            else "neither label nor method is among them"
        )
        raise KCEError(
            f"levels = {text!r} does not name levels of folders: {problem}",
            f"join some of {', '.join(LEVELS)} with /, such as split/label/video; * is a level that says nothing",
        )
    return levels


def read_levels(folders: tuple[str, ...], levels: tuple[str, ...], names: Names) -> Reading:
    """Read the folders of a file by levels that the user has named. Folders below the last level are of recordings.

    Raises:
        Unclear: The label is not clear.
        Unparsed: It lacks the level that says what it is.
    """
    at = {level: folders[n] for n, level in enumerate(levels[: len(folders)]) if level != "*"}
    decisive = "label" if "label" in levels else "method"
    if decisive not in at:
        raise Unparsed(f"not in a folder of the level {decisive}")
    name = at[decisive]
    where = "/".join(folders[: levels.index(decisive) + 1])
    truth = names.truth(name)
    if decisive == "label" and truth is None:
        raise Unclear(
            where,
            "the level label has a name that is neither one of reals nor one of forgeries",
            f'say folder:real="{name}" or folder:fake="{name}"',
        )
    if decisive == "method" and names.read(name).doubt:
        raise Unclear(where, names.read(name).doubt, f'say folder:real="{name}" or folder:fake="{name}"')
    named = tuple(folder for folder, level in zip(folders, levels, strict=False) if level != "*")
    if contradiction := names.contradiction((*named, *folders[len(levels) :])):
        raise Unclear("/".join(folders), contradiction, 'a level that says nothing is *, as in levels="label/*"')
    real = bool(truth)
    dataset = names.dataset or at.get("dataset", "") or (names.dataset_of_reals(name) if real else names.default)
    split = at.get("split", "")
    split = names.read(split).split or split or names.read(name).split
    return Reading(
        dataset,
        "real" if real else at.get("method", "fake"),
        split,
        _recording(folders, levels, real, names),
        folders[: levels.index(decisive) + 1],
        "user",
    )


def _recording(folders: tuple[str, ...], levels: tuple[str, ...], real: bool, names: Names) -> str:
    """The folder of the recording; among reals a level "method" may be one, where no level "video" follows."""
    last = -1
    for n, folder in enumerate(folders):
        level = levels[n] if n < len(levels) else ""
        method = real and level == "method" and "label" in levels and not names.read(folder).method
        if level == "video" or method or (not level and not names.read(folder).general):
            last = n
    return "/".join(folders[: last + 1]) if last >= 0 else ""


class FileNames:
    """The parts of file names: "<video>_<frame>".

    Args:
        pattern: A name without its suffix: <video> is the recording, <frame> a number, * anything.

    Raises:
        KCEError: It has no <video>, or <frame> twice.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parts = re.split(r"(<[^<>]*>|\*)", pattern)
        kinds = {"<video>": "(?P<video>.+)", "<frame>": "(?P<frame>[0-9]{1,9})", "*": ".*"}
        tokens = parts[1::2]
        if any(token not in kinds for token in tokens) or [tokens.count(name) for name in kinds][:2] not in (
            [1, 0],
            [1, 1],
        ):
            raise KCEError(
                f"group = {pattern!r} is not a pattern of file names",
                "write it as <video>_<frame>: <video> once, <frame> at most once, and * for what does not count",
            )
        self._regex = re.compile("".join(kinds.get(part) or re.escape(part) for part in parts))

    def read(self, stem: str) -> tuple[str, int | None]:
        """The recording and the number of the frame. Raises Unparsed for a name of another form."""
        match = self._regex.fullmatch(stem)
        if not match:
            raise Unparsed(f"its name is not {self.pattern}")
        frame = match.groupdict().get("frame")
        return match["video"], int(frame) if frame else None
