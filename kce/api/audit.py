"""``kce.audit``: equal names that differ, and different names that agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import feature_rows, optional_path
from kce.api.results import Result, interval_columns
from kce.errors import KCEError
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import FeatureStream


class AuditResult(Result):
    """What an audit found; ``kce docs audit`` explains all keys.

    Attributes:
        folder: Where the report and plan.toml were written; None = nowhere.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path | None) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self._document["n"])

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """Pairs of categories of different datasets, with relation, effect, interval and p values."""
        return list(self.to_dict()["pairs"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Pairs with the same name that differ, and with different names that agree."""
        return list(self.to_dict()["findings"])

    @property
    def proposals(self) -> list[dict[str, Any]]:
        """What the proposed plan changes."""
        return list(self.to_dict()["proposals"])

    @property
    def plan(self) -> dict[str, str]:
        """Category -> class, as proposed."""
        return dict(self._document["plan"])

    @property
    def remarks(self) -> list[str]:
        """What a reader must know first, such as datasets without reals and what to do about them."""
        from kce.audit.audit_report import audit_remarks

        return audit_remarks(self._document)

    @property
    def report(self) -> Path | None:
        """The page; None if it was not written."""
        return self.folder / "audit.html" if self.folder else None

    def _records(self) -> list[dict[str, Any]]:
        def auroc(score: Mapping[str, Any] | None) -> float | None:
            return score["value"] if score else None

        ways = ("a_to_b", "b_to_a")
        return [
            {
                **{key: pair[key] for key in ("a", "b", "same_name", "relation", "reason")},
                **{f"auroc_{way}": auroc(pair["auroc"][way]) for way in ways},
                "effect": pair["effect"],
                **interval_columns(pair["interval"]),
                **{key: pair[key] for key in ("p_holm", "p_agree_holm", "n")},
            }
            for pair in self.pairs
        ]

    def _summary(self) -> str:
        found = f"{counted(len(self.findings), 'finding')}, {counted(len(self.proposals), 'proposal')}"
        return f"{counted(len(self.pairs), 'pair')} of categories, {found}, n {self.n:,}"


def audit(
    tables: AnyPath | FeatureStream | Iterable[AnyPath | FeatureStream],
    *,
    plan: AnyPath | None = None,
    to: AnyPath | None = None,
    seed: int = 0,
) -> AuditResult:
    """Find equal names that differ, and different names that agree.

    The tables must include the reals of each dataset (label <dataset>_real), because categories are measured relative
    to them. For a dataset without reals, the registry can name another dataset's.

    Args:
        tables: One or more ``FEATURES.h5:/TABLE``, or features in memory, audited together.
        plan: A plan.toml whose classes are examined too.
        to: Folder for the report, as html, csv and json, and the proposed plan.toml.
        seed: Seed of all random choices.

    Returns:
        What was found. ``to_frame()``: a line for each pair of categories.

    Raises:
        KCEError: There are forgeries of one dataset only, features do not vary, or the plan does not fit.

    Example:
        >>> from kce import Features
        >>> audit(Features.from_arrays([[0.0], [1.0]], ["One_Swap", "One_real"]))
        Traceback (most recent call last):
        kce.errors.BadData: forgeries of one dataset only: One
        hint: name tables with categories of at least two datasets; labels are <dataset>_<method>
    """
    import xxhash

    from kce.audit.audit import audit_tables, write_audit
    from kce.features.streams import StoredRows, content_hash
    from kce.merging.aligner_inputs import with_fallback_reals
    from kce.merging.plan_file import read_plan
    from kce.registry.registry import Registry
    from kce.registry.result_provenance import record_provenance
    from kce.report.audit_page import write_audit_report
    from kce.system.documents import model_to_table
    from kce.types import Features

    one = isinstance(tables, str | PathLike | Features | StoredRows) or not isinstance(tables, Iterable)
    named: Iterable[Any] = [tables] if one else tables  # type: ignore[assignment]
    rows: list[Any] = [feature_rows(table) for table in named]
    if not rows:
        raise KCEError("no table is given", "give one or more FEATURES.h5:/TABLE")
    given = None if plan is None else read_plan(Path(plan))
    registry = Registry.load()
    rows = with_fallback_reals(rows, registry)
    report, proposed = audit_tables(rows, seed, given)
    hashes = " ".join(map(content_hash, rows))
    provenance = record_provenance(
        registry,
        [],  # an audit is of features: what made them is said in their file
        n={"rows": report["n"], "categories": len(report["categories"])},
        seeds=[seed],
        data=f"features of {', '.join(dataset['name'] for dataset in report['datasets'])}",
        data_hash=xxhash.xxh3_128_hexdigest(hashes.encode()),
    )
    report["provenance"] = model_to_table(provenance)
    folder = optional_path(to)
    if folder:
        write_audit(folder, report, proposed)
        write_audit_report(folder)
    return AuditResult(report, folder)
