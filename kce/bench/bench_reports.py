"""The schemas of what the benchmarks report: ``leaderboard.json`` and ``aligners.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kce.bench.pairs import EntryDifference  # noqa: TC001 - the schema is read from it
from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document


@dataclass(frozen=True)
class LeaderboardRow:
    """An entry of a leaderboard; ``kce.bench.leaderboard`` says what the values are."""

    aligner: str
    reducer: str
    clusterer: str
    k: str
    worlds: int
    cells: int
    failed: int
    reasons: tuple[str, ...]
    ari: float
    interval: tuple[float, float] | None
    rank: float | None
    measures: Mapping[str, float | None]
    truths: Mapping[str, float | None]
    stability: float | None
    subsample: float | None
    seconds: float | None
    peak_mib: float | None
    clusters_off: float | None


@dataclass(frozen=True)
class LeaderboardRanks:
    """The mean ranks of the entries, and the difference from which on they can be told apart."""

    n: int
    entries: int
    mean: tuple[float, ...]
    p: float | None
    critical_difference: float | None


@dataclass(frozen=True)
class Leaderboard:
    """Entries with the best mean rank first, the truths that count, and which entries can be told apart."""

    rows: tuple[LeaderboardRow, ...]
    ranks: LeaderboardRanks
    truth: tuple[str, ...]
    differences: tuple[EntryDifference, ...]
    verdict: str


@dataclass(frozen=True)
class LeaderboardReport(Document):
    """``leaderboard.json``: a leaderboard for a known and an unknown number of clusters."""

    NOUN: ClassVar[str] = "a leaderboard"
    HINT: ClassVar[str] = "`kce bench clusterers --to` writes it"

    known: Leaderboard
    unknown: Leaderboard
    provenance: Provenance | None = None


@dataclass(frozen=True)
class MeasureMean:
    """A measure over worlds.

    Attributes:
        mean: Mean over worlds of the means over their seeds.
        interval: Its 95 % interval; None where there is none.
        n: Worlds.
    """

    mean: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class TracerRow:
    """A line of the summary; ``kce.bench.tracer_report`` says what the values are."""

    data: str
    tracer: str
    worlds: int
    cells: int
    failed: int
    reasons: tuple[str, ...]
    seconds: float | None
    measures: Mapping[str, MeasureMean]


@dataclass(frozen=True)
class StorageDifference:
    """A measure on drawn worlds that are stored differently minus that on the same ones stored alike."""

    data: str
    tracer: str
    measure: str
    n: int
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class TracerReport(Document):
    """``tracers.json``: the summary, the cells behind it, and for each kind of data what can be told apart."""

    NOUN: ClassVar[str] = "the report of a benchmark of tracers"
    HINT: ClassVar[str] = "`kce bench tracers --to` writes it"

    tracers: tuple[TracerRow, ...]
    cells: tuple[Mapping[str, Any], ...]
    differences: Mapping[str, tuple[EntryDifference, ...]]
    verdicts: Mapping[str, str]
    storage: tuple[StorageDifference, ...]
    provenance: Provenance | None = None


@dataclass(frozen=True)
class AlignerRow:
    """A row of the summary; ``kce.bench.aligner_report`` says what the values are."""

    kind: str
    amount: float
    training: str
    aligner: str
    clusterer: str
    k: str
    worlds: int
    cells: int
    failed: int
    ari: float
    interval: tuple[float, float] | None
    worst: float
    k_within_1: float
    k_between: int
    k_held: int
    k_decided: int
    k_decided_within_1: int
    merged: Mapping[str, int]
    split: Mapping[str, int]
    unlearned: Mapping[str, int]


@dataclass(frozen=True)
class AlignerReport(Document):
    """``aligners.json``: the summary, the cells behind it, and for each k which aligners can be told apart."""

    NOUN: ClassVar[str] = "the report of a benchmark of aligners"
    HINT: ClassVar[str] = "`kce bench aligners --to` writes it"

    aligners: tuple[AlignerRow, ...]
    cells: tuple[Mapping[str, Any], ...]
    differences: Mapping[str, tuple[EntryDifference, ...]]
    verdicts: Mapping[str, str]
    provenance: Provenance | None = None
