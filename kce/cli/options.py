"""What the options of several commands have in common, and how several values follow one option."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
FollowLinks = Annotated[
    list[Path] | None,
    typer.Option(help="Follow links of the dataset into these folders; other links out of it are losses."),
]
AcceptLosses = Annotated[
    bool, typer.Option("--accept-losses", help="Go on with what is left where files or categories are lost.")
]
Threads = Annotated[str, typer.Option(help="Threads per process; auto: one for each core that is not in use.")]

Cache = Annotated[
    str | None,
    typer.Option(
        help="Disk space for decoded faces, such as 20GB, so that each is decoded once.", show_default="none are stored"
    ),
]


def repeat_options(
    words: Sequence[str], several: Collection[str], flags: Collection[str], arguments: int
) -> Iterator[str]:
    """Write an option before each of its values: `--unknown A B` becomes `--unknown A --unknown B`.

    Words after such an option are its values up to the next option, but the last of them are the command's arguments
    where those would be missing otherwise.

    >>> list(repeat_options(["out", "--unknown", "A", "B", "--seed", "1"], {"--unknown"}, set(), arguments=1))
    ['out', '--unknown', 'A', '--unknown', 'B', '--seed', '1']
    >>> list(repeat_options(["--unknown", "A", "B", "out"], {"--unknown"}, set(), arguments=1))
    ['--unknown', 'A', '--unknown', 'B', 'out']

    Args:
        words: The command line after the command's name.
        several: The options that take several values.
        flags: The options that take none.
        arguments: How many words the command needs that follow no option.

    Yields:
        The words of a command line that means the same and gives each option one value.
    """
    read: list[tuple[str, str]] = []  # each word, after the option whose further value it is, if it is one
    bare = 0
    option = ""
    left = iter(words)
    for word in left:
        name, equals, _ = word.partition("=")
        if word == "--":
            rest = list(left)
            bare += len(rest)
            read += [("", other) for other in (word, *rest)]
        elif word.startswith("-"):
            option = name if name in several else ""
            read.append(("", word))
            if not equals and name not in flags:
                read += [("", value) for value in (next(left, None),) if value is not None]
        else:
            bare += not option
            read.append((option, word))
    further = [position for position, (option, _) in enumerate(read) if option]
    missing = max(arguments - bare, 0)
    arguments_at = set(further[len(further) - missing :] if missing else ())
    for position, (option, word) in enumerate(read):
        if option and position not in arguments_at:
            yield option
        yield word
