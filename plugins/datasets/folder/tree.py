"""Reads a tree of folders: which of them names the label, the method, the dataset, the split or the recording."""

from __future__ import annotations

from collections.abc import Iterator

from kce import NameReading, Remark

from .names import Names, Reading, Unclear

Parts = tuple[str, ...]


def read_folders(folders: Parts, names: Names) -> Reading:
    """Read the folders of a file, from the root down.

    Raises:
        Unclear: Its label or its method is not clear.
    """
    return _Path(folders, names).read()


class _Path:
    """The folders of a file, and what each name says. `plain` are those that name neither label, split nor media."""

    def __init__(self, folders: Parts, names: Names) -> None:
        self.folders = folders
        self.names = names
        self.says = [names.read(name) for name in folders]
        self.labels = [n for n, says in enumerate(self.says) if says.truth is not None]
        self.plain = [
            n for n, says in enumerate(self.says) if says.truth is None and not says.general and not says.both
        ]

    def read(self) -> Reading:
        """See ``read_folders``."""
        if contradiction := self.names.contradiction(self.folders):
            raise self.unclear(len(self.folders) - 1, contradiction)
        for n, says in enumerate(self.says):
            if says.doubt and (not self.labels or (n > self.labels[0] and not self.says[self.labels[0]].truth)):
                raise self.unclear(n, says.doubt)
        splits = {says.split: n for n, says in enumerate(self.says) if says.split and (says.general or says.stem)}
        if len(splits) > 1:
            raise self.unclear(max(splits.values()), f"it is in the splits {' and '.join(sorted(splits))}")
        split = next(iter(splits), "")
        return self._labelled(split) if self.labels else self._unlabelled(split)

    def _labelled(self, split: str) -> Reading:
        """Below a folder for reals, or one for forgeries."""
        label = self.labels[0]
        above = [n for n in self.plain if n < label and not self.says[n].topic and not self.says[n].id]
        below = [n for n in self.plain if n > label]
        real = bool(self.says[label].truth)
        dataset, method = self._above(above, below, real)
        own = self.says[label]
        if real:
            paired = bool(below) and self.says[below[0]].method
            while below and (self.says[below[0]].method or self.says[below[0]].source):
                del below[0]  # real/FaceSwap, real/youtube
            own_dataset = self.names.dataset_of_reals(self.folders[label])
            dataset = own_dataset if not dataset or self.names.dataset else dataset
            return self._reading(label, dataset, "real", split, below)._replace(paired=paired)
        if not method:
            stem, method = self._own_method(self.folders[label], own)
            dataset = dataset or stem
            method, below = self._below(method, below)
        return self._reading(label, self.names.dataset or dataset or self.names.default, method, split, below)

    def _reading(self, label: int, dataset: str, method: str, split: str, recording: list[int]) -> Reading:
        general = self.says[label].truth is False and self.says[label].general
        return Reading(
            dataset,
            method,
            split,
            "/".join(self.folders[: recording[-1] + 1]) if recording else "",
            self.folders[: label + 1],
            "label",
            general,
            level=self._level(label),
        )

    def _own_method(self, name: str, says: NameReading) -> tuple[str, str]:
        """Dataset and method in a name for forgeries: DFD_manipulated_sequences, Celeb-synthesis; else empty."""
        stem = says.stem
        if stem and name[len(stem) :].startswith("_") and not self.names.dataset:
            inner = self.names.form(stem)
            if inner and self.names.read(inner[1]).method:
                return inner
            return stem, name[len(stem) + 1 :]
        return "", "" if says.general and not stem else name

    def _above(self, above: list[int], below: list[int], real: bool) -> tuple[str, str]:
        """Dataset and method by the folders above the label; empty where they do not say."""
        if not above:
            return "", ""
        first, says = self.folders[above[0]], self.says[above[0]]
        if len(above) == 1:
            form = self.names.form(first)
            if form and self.names.read(form[1]).method:
                return form
            if says.method:
                return "", first
            if says.source or (not real and below and self.says[below[0]].method):
                return first, ""
        elif len(above) == 2 and self.says[above[1]].method:
            return first, self.folders[above[1]]
        elif len(above) == 2 and says.method and self.says[above[1]].source:
            return self.folders[above[1]], first
        if len(above) > 2:
            raise self.unclear(above[-1], "more than two folders above the label may name the dataset or the method")
        if says.method:
            levels = self._levels(above[0], "method", "*"), self._levels(above[0], "dataset", "method")
            raise self.unclear(above[1], "it may be a method, or say nothing", *levels)
        levels = self._levels(above[-1], "method"), self._levels(above[-1], "dataset")
        raise self.unclear(above[-1], "it may be a dataset or a method", *levels)

    def _below(self, own: str, below: list[int]) -> tuple[str, list[int]]:
        """The method, and the folders of recordings, by the folders below a folder for forgeries."""
        if not below or self.says[below[0]].id:
            return own or "fake", below
        first, *rest = below
        if self.says[first].method and not (rest and self.says[rest[0]].method):
            return self.folders[first], rest
        if rest and self.says[rest[0]].id and not self.says[first].source:
            return self.folders[first], rest
        if rest and self.says[rest[0]].method:
            levels = self._levels(first, "method", "*"), self._levels(first, "*", "method")
            raise self.unclear(first, "it or the folder below it may name the method", *levels)
        why = "it may be a method or a recording"
        raise self.unclear(first, why, self._levels(first, "method"), self._levels(first, "video"))

    def _unlabelled(self, split: str) -> Reading:
        """Where no folder is one for reals or forgeries: the first one that names anything names the category."""
        if not self.plain:
            raise self.unclear(len(self.folders) - 1, "no folder says whether its files are reals or forgeries")
        skipped = 1 if self.says[self.plain[0]].topic and len(self.plain) > 1 else 0
        first, *rest = self.plain[skipped:]
        name, says = self.folders[first], self.says[first]
        following = self.says[rest[0]] if rest else NameReading()
        form = self.names.form(name)
        dataset, method, by = self.names.default, name, "method" if says.method or says.topic else "name"
        if says.source and following.method:
            first, *rest = rest
            dataset, method, by = self.names.dataset or name, self.folders[first], "method"
        elif says.source:
            raise self.unclear(first, "it is the name of a dataset: its files may be reals or forgeries")
        elif says.id:
            raise self.unclear(first, "a number is not the name of a method: its files may be reals or forgeries")
        elif form and not says.topic:
            if any(self.names.read(part).general for part in form):
                raise self.unclear(first, "it does not name a method: its files may be reals or forgeries")
            dataset, method, by = *form, "form"
        elif by == "name" and following.method:
            raise self.unclear(first, "it may be a dataset or a method", self._levels(first, "dataset", "method"))
        group = "/".join(self.folders[: rest[-1] + 1]) if rest else ""
        return Reading(dataset, method, split, group, self.folders[: first + 1], by, level=self._level(first))

    def _level(self, n: int) -> Parts:
        return tuple(
            "*" if says.split and says.general else name
            for name, says in zip(self.folders[:n], self.says[:n], strict=True)
        )

    def _levels(self, n: int, *names: str) -> str:
        """The parameter `levels` that reads folder number n, and those that follow, as these names."""
        levels = []
        for i, says in enumerate(self.says):
            if n <= i < n + len(names):
                levels.append(names[i - n])
            elif says.truth is not None:
                levels.append("label")
            elif says.general:
                levels.append("split" if says.split else "*")
            elif i < n:
                levels.append("dataset" if "dataset" not in names else "*")
            else:
                levels.append("video" if i > n and "video" not in levels and "video" not in names else "*")
        while levels[-1:] == ["*"]:
            levels.pop()
        return "/".join(levels)

    def unclear(self, n: int, reason: str, *levels: str) -> Unclear:
        """The error for folder number n."""
        name = self.folders[n] if self.folders else "."
        say = " or ".join(f'folder:levels="{level}"' for level in dict.fromkeys(levels) if level)
        hint = (
            f'folder:real="{name}" or folder:fake="{name}", or what each level of folders is, as folder:levels="label"'
        )
        return Unclear(
            "/".join(self.folders[: n + 1]), reason, f"say {say or hint}; `kce show dataset folder` has more"
        )


class TreeCheck:
    """Collects how the folders of a tree are read, to find what one folder alone does not tell."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._readings: dict[tuple[Parts, bool], Reading] = {}

    def add(self, reading: Reading) -> None:
        """Add how a folder is read."""
        self._readings.setdefault((reading.base, reading.paired), reading)

    def errors(self) -> Iterator[Remark]:
        """Yield an error for each folder that is not clear beside the others."""
        readings = list(self._readings.values())
        reals = {reading.level for reading in readings if reading.method == "real"}
        general = {reading.level for reading in readings if reading.general}
        with_labels = {
            reading.base[:n] for reading in readings if reading.by == "label" for n in range(len(reading.base))
        }
        for reading in readings:
            where, name = "/".join(reading.base), reading.base[-1] if reading.base else ""
            say = f'say folder:real="{name}" or folder:fake="{name}"'
            if reading.by in ("label", "user"):
                if reading.paired and reading.level not in general:
                    reason = "it has a name for reals, but a folder in it has that of a method"
                    yield Remark("error", where, reason, 'say what each level of folders is, as in levels="label/*"')
            elif reading.base in with_labels:
                reason = "some of its folders are for reals or forgeries, and others do not say"
                hint = (
                    'say what each level of folders is, as folder:levels="dataset/method", or put the others elsewhere'
                )
                yield Remark("error", where, reason, hint)
            elif reading.by == "name" and reading.level not in reals:
                reason = f"read as forgeries of the method {name}, but no folder beside it contains reals"
                yield Remark("error", where, reason, f'{say}; if all are forgeries, folder:levels="method"')
            elif reading.by == "name" and reading.level in general:
                reason = "there are folders for reals and for forgeries beside it, and it is neither"
                yield Remark("error", where, reason, say)
        if not any(reading.method == "real" for reading in readings):
            yield from self._without_reals([reading for reading in readings if reading.by == "form"])

    def _without_reals(self, readings: list[Reading]) -> Iterator[Remark]:
        """Many names <a>_<b> without reals, no two of one dataset or method, are not <dataset>_<method>."""
        datasets, methods = ({getattr(reading, name) for reading in readings} for name in ("dataset", "method"))
        if len(readings) > 3 and len(datasets) == len(methods) == len(readings):
            reason = f"read as forgeries of {readings[0].dataset} by the method {readings[0].method}, as "
            reason += f"{len(readings) - 1} more folders, but no two are of one dataset, and none contains reals"
            yield Remark("error", "/".join(readings[0].base), reason, 'if they are methods: folder:levels="method"')
