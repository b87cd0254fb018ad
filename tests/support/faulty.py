"""Plugins that are each faulty in one way, with the checks they must fail."""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from kce import Box, KCEError, Remark, Sample


class Sound:
    """A clusterer that passes every check: the nearest of `n_clusters` rows that are far from each other."""

    def __init__(self, n_clusters: int = 4) -> None:
        if n_clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        self.n_clusters = n_clusters

    def fit_predict(self, x: Any) -> Any:
        if len(x) < self.n_clusters or not np.isfinite(x).all():
            raise KCEError("too few rows, or not finite", "take more")
        wide = x.astype(np.float64)
        nearest, numbers = ((wide - wide.mean(axis=0)) ** 2).sum(axis=1).round(6), np.zeros(len(x), int)
        for number in range(self.n_clusters):
            gaps = ((wide - wide[np.argmax(nearest)]) ** 2).sum(axis=1)
            closer = gaps < nearest if number else gaps < np.inf
            numbers[closer], nearest = number, np.where(closer, gaps, nearest)
        return numbers


class Center:
    """A reducer that passes every check: the first columns."""

    def fit_transform(self, x: Any) -> Any:
        return x[:, :4].copy()


class Prints(Sound):
    def fit_predict(self, x: Any) -> Any:
        print("clustering ...")  # noqa: T201 - the fault
        return super().fit_predict(x)


class PrintsFromC(Sound):
    def fit_predict(self, x: Any) -> Any:
        os.write(1, b"clustering ...\n")
        return super().fit_predict(x)


class Reseeds(Sound):
    def fit_predict(self, x: Any) -> Any:
        np.random.seed(0)
        return super().fit_predict(x)


class ReseedsPython(Center):
    def fit_transform(self, x: Any) -> Any:
        random.seed(0)
        return super().fit_transform(x)


class Hushes(Sound):
    def fit_predict(self, x: Any) -> Any:
        warnings.filterwarnings("ignore")
        return super().fit_predict(x)


class TakesThreads(Sound):
    def fit_predict(self, x: Any) -> Any:
        import torch

        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().fit_predict(x)


class SetsTheEnvironment(Center):
    def fit_transform(self, x: Any) -> Any:
        os.environ["OMP_NUM_THREADS"] = "64"
        return super().fit_transform(x)


class UsesManyThreads(Sound):
    def fit_predict(self, x: Any) -> Any:
        from threading import Thread

        many = [Thread(target=lambda: np.linalg.svd(np.ones((400, 400)))) for _ in range(6)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join()
        return super().fit_predict(x)


class WrongShape(Sound):
    def fit_predict(self, x: Any) -> Any:
        return super().fit_predict(x)[:, None]


class LosesARow(Center):
    def fit_transform(self, x: Any) -> Any:
        return super().fit_transform(x)[1:]


class WrongType(Sound):
    def fit_predict(self, x: Any) -> Any:
        return super().fit_predict(x).tolist()


class Floats(Sound):
    def fit_predict(self, x: Any) -> Any:
        return super().fit_predict(x).astype(float)


class View(Center):
    def fit_transform(self, x: Any) -> Any:
        return x[:, :4]


class WritesIntoItsInput(Center):
    def fit_transform(self, x: Any) -> Any:
        x -= x.mean(axis=0)
        return super().fit_transform(x)


class Rolls(Center):
    """Sorts the rows."""

    def fit_transform(self, x: Any) -> Any:
        return x[np.argsort(x[:, 5])][:, :4].copy()


class FirstRowDecides(Sound):
    def fit_predict(self, x: Any) -> Any:
        return (np.abs(x - x[:1]).sum(axis=1) > 20 + x[0, 0]).astype(int)


class Draws(Center):
    """Other numbers each time."""

    def fit_transform(self, x: Any) -> Any:
        return super().fit_transform(x) + np.random.default_rng().normal(size=(len(x), 4)).astype(x.dtype) * 1e-3


class Remembers(Center):
    """Counts its calls."""

    calls = 0

    def fit_transform(self, x: Any) -> Any:
        self.calls += 1
        return super().fit_transform(x) * np.float32(self.calls)


class DependsOnTheProcess(Center):
    def fit_transform(self, x: Any) -> Any:
        return super().fit_transform(x) * np.float32(1 + os.getpid() % 1000)


class SwallowsNaN(Center):
    def fit_transform(self, x: Any) -> Any:
        return np.nan_to_num(super().fit_transform(x))


class DividesByTheSpread(Center):
    """NaN where a column is constant."""

    def fit_transform(self, x: Any) -> Any:
        return (x - x.mean(axis=0)) / x.std(axis=0)


class AnswersNaN(Center):
    """NaN in one row, whatever it is given."""

    def fit_transform(self, x: Any) -> Any:
        reduced = super().fit_transform(x)
        reduced[-1] = np.nan
        return reduced


class NeedsRows(Center):
    """An IndexError without any."""

    def fit_transform(self, x: Any) -> Any:
        return super().fit_transform(x) + 0 * x[0, 0]


class NeedsConstraints(Sound):
    """Answers differently where constraints name no pair."""

    def fit_predict(self, x: Any, *, cannot_link: Any = None) -> Any:
        numbers = super().fit_predict(x)
        return numbers if cannot_link is None else numbers + 1


class MakesMoreClusters(Sound):
    def fit_predict(self, x: Any) -> Any:
        super().fit_predict(x)
        return np.arange(len(x))


class SplitsTwins(Sound):
    """Of two equal rows, puts the second into another cluster."""

    def __init__(self) -> None:
        super().__init__()

    def fit_predict(self, x: Any) -> Any:
        numbers = super().fit_predict(x)
        _, first = np.unique(x, axis=0, return_index=True)
        twins = np.ones(len(x), bool)
        twins[first] = False
        return np.where(twins, numbers + 100, numbers)


class Cubic(Center):
    def fit_transform(self, x: Any) -> Any:
        for row in x:
            np.sort(np.abs(x - row), axis=0)
        return super().fit_transform(x)


class AllPairs(Center):
    def fit_transform(self, x: Any) -> Any:
        np.zeros((len(x), len(x), 8))
        return super().fit_transform(x)


class TurnsBatches(Center):
    def partial_fit(self, x: Any) -> None:
        pass

    def transform(self, x: Any) -> Any:
        return x[::-1, :4].copy()


class LastBatch:
    """An aligner that subtracts the mean of all rows; in batches, that of the last one."""

    def align(self, features: Any) -> Any:
        self.fit(features)
        return self.transform(features)

    def fit(self, rows: Any) -> None:
        for batch in rows.batches():
            self.mean = batch.x.mean(axis=0)

    def transform(self, features: Any) -> Any:
        return features.x - self.mean


class WholeTable(LastBatch):
    def fit(self, rows: Any) -> None:
        self.mean = rows.x.mean(axis=0)


class Hangs(Sound):
    def fit_predict(self, x: Any) -> Any:
        time.sleep(10_000)


class Exits(Sound):
    def fit_predict(self, x: Any) -> Any:
        sys.exit(0)


class ExitsAtOnce(Sound):
    def fit_predict(self, x: Any) -> Any:
        os._exit(0)


def positional(n_clusters: int = 4, /) -> Sound:
    return Sound(n_clusters)


def anything(**options: Any) -> Sound:
    return Sound(**options)


class Nothing:
    """Has no method of any kind."""


class Singleton(Center):
    one: Singleton | None = None

    def __new__(cls) -> Any:
        cls.one = cls.one or super().__new__(cls)
        return cls.one


class Words:
    """Returns text as a score."""

    def score(self, features: Any, plan: Any = None) -> Any:
        return {"how": "good"}


class ScoresNaN:
    """A score that is not a number."""

    def score(self, features: Any, plan: Any = None) -> Any:
        return {"how": float("nan")}


class IgnoresResamples:
    """Scores of resamples that are those of the rows themselves."""

    def score(self, features: Any, plan: Any = None) -> Any:
        return {"mean": float(features.x.mean(dtype=np.float64))}

    def score_resamples(self, features: Any, resamples: Any, plan: Any = None) -> Any:
        return {"mean": np.full(resamples.count, self.score(features)["mean"])}


class OutOfRange:
    """A share that is said to be at most 1, and is not."""

    def score(self, features: Any, plan: Any = None) -> Any:
        return {"share": 2 + float(np.isfinite(features.x).mean())}

    def score_ranges(self, features: Any) -> Any:
        return {"share": (0.0, 1.0)}


class Sized:
    """A figure that depends on what categories are called, and one label is as good as any."""

    def score(self, features: Any, plan: Any = None) -> Any:
        return {"letters": float(sum(map(len, features.categories))), "rows": float(np.isfinite(features.x).mean())}


class Outside:
    def detect(self, image: Any) -> list[Box]:
        return [Box(-20.0, -20.0, -10.0, -10.0)]


class Inverted:
    def detect(self, image: Any) -> list[Box]:
        return [Box(float(image.shape[1]), 0.0, 0.0, float(image.shape[0]))]


class Paints:
    def detect(self, image: Any) -> list[Box]:
        image[:2] = 255
        return []


def forgets_its_scale(size: int = 16) -> Any:
    """A network whose features depend on the batch, and whose buffer is not in its weights."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size, self.dim = size, 4
            self.inner = nn.Linear(3, 4)
            self.register_buffer("scale", torch.rand(1), persistent=False)

        def forward(self, faces: Any) -> Any:
            x = self.inner(faces.mean(dim=(2, 3)))
            return (x - x.mean(dim=0)) * self.scale

    return Net()


def ends_the_process() -> Any:
    os._exit(3)


class Tree:
    """A dataset that reads every file, and follows links."""

    name = "planted"

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __iter__(self) -> Iterator[Sample | Remark]:
        for folder, _, names in os.walk(self.root, followlinks=True):
            for name in sorted(names):
                path = Path(folder) / name
                yield Sample(path.relative_to(self.root).as_posix(), path, self.name, "Swap", group="1")


class Notes(Tree):
    """Writes an index beside what it reads."""

    def __iter__(self) -> Iterator[Sample | Remark]:
        yield from super().__iter__()
        (self.root / "index.txt").write_text("read")


class Stems(Tree):
    """Keys are stems, which repeat."""

    def __iter__(self) -> Iterator[Sample | Remark]:
        for item in super().__iter__():
            yield Sample(item.path.stem, item.path, "other", "real")  # type: ignore[union-attr]


class Inline:
    """Runs every job in the calling process, and replaces its exceptions."""

    slots = 0

    def __init__(self) -> None: ...

    def submit(self, job: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if job.function == "os:_exit":
            future.set_result(None)
            return future
        try:
            future.set_result(job())
        except Exception as error:
            future.set_exception(RuntimeError(str(error)))
        return future

    def stop(self) -> None: ...


FAULTS: list[tuple[str, Callable[..., Any], set[str]]] = [
    ("clusterer", Prints, {"silent"}),
    ("clusterer", PrintsFromC, {"silent"}),
    ("clusterer", Reseeds, {"random-state"}),
    ("reducer", ReseedsPython, {"random-state"}),
    ("clusterer", Hushes, {"warnings"}),
    ("clusterer", TakesThreads, {"threads"}),
    ("reducer", SetsTheEnvironment, {"threads"}),
    ("clusterer", UsesManyThreads, {"thread-limit"}),
    ("clusterer", WrongShape, {"shape"}),
    ("reducer", LosesARow, {"shape"}),
    ("reducer", TurnsBatches, {"batches"}),
    ("aligner", LastBatch, {"batches"}),
    ("aligner", WholeTable, {"batches"}),
    ("clusterer", WrongType, {"type"}),
    ("clusterer", Floats, {"type"}),
    ("reducer", View, {"own-memory"}),
    ("reducer", WritesIntoItsInput, {"input-unchanged"}),
    ("reducer", Rolls, {"row-for-row"}),
    ("clusterer", FirstRowDecides, {"row-order"}),
    ("reducer", Draws, {"deterministic"}),
    ("reducer", Remembers, {"repeatable"}),
    ("reducer", DependsOnTheProcess, {"rebuilt"}),
    ("reducer", SwallowsNaN, {"nan-and-infinity"}),
    ("reducer", AnswersNaN, {"finite", "constant-columns"}),
    ("reducer", DividesByTheSpread, {"constant-columns"}),
    ("reducer", NeedsRows, {"no-rows"}),
    ("clusterer", NeedsConstraints, {"cannot-link"}),
    ("clusterer", MakesMoreClusters, {"cluster-count"}),
    ("clusterer", SplitsTwins, {"duplicate-rows"}),
    ("reducer", Cubic, {"time-growth"}),
    ("reducer", AllPairs, {"memory-growth"}),
    ("clusterer", Hangs, {"time-limit"}),
    ("clusterer", Exits, {"no-exit"}),
    ("clusterer", positional, {"signature"}),
    ("clusterer", anything, {"signature"}),
    ("clusterer", Nothing, {"protocol"}),
    ("reducer", Singleton, {"builds"}),
    ("evaluator", Words, {"type"}),
    ("evaluator", ScoresNaN, {"finite"}),
    ("evaluator", IgnoresResamples, {"resampled-scores"}),
    ("evaluator", OutOfRange, {"score-ranges"}),
    ("evaluator", Sized, {"label-names", "one-label", "nan-and-infinity"}),
    ("detector", Outside, {"range"}),
    ("detector", Inverted, {"shape"}),
    ("detector", Paints, {"picture-unchanged"}),
    ("backbone", forgets_its_scale, {"batch-independent", "weights-round-trip"}),
    ("dataset", Tree, {"stray-files", "links", "namespaces", "missing-root", "odd-names"}),
    ("dataset", Notes, {"tree-unchanged"}),
    ("dataset", Stems, {"keys", "labels"}),
    ("engine", Inline, {"slots", "other-process", "errors", "lost-workers"}),
]
"""kind, what is faulty, and the checks that must fail."""
