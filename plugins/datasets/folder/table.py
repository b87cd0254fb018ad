"""The samples of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator

from kce import Remark, Sample, Tree, Unparsed

from .listcheck import ListCheck
from .names import Names, Unclear
from .rows import Contradiction, frame_number, read_rows, row_is_real

Parts = tuple[str, ...]


def read_table(tree: Tree, csv: Parts, names: Names, label_is: str) -> Iterator[Sample | Remark]:
    """Read a CSV file, whose path below the root of the tree is `csv`.

    Yields:
        For each row a sample or a remark, and then errors where it cannot be used.
    """
    check = ListCheck(csv[-1])
    truths: dict[tuple[str, str], set[bool]] = {}  # of each dataset and method that a row names
    unclear: dict[str, Remark] = {}
    for line, row in read_rows(tree.root.joinpath(*csv), bool(names.dataset)):
        check.rows += 1
        entry, where = row.get("path") or row.get("file") or "", f"line {line} of {csv[-1]}"
        try:
            parts = (*csv[:-1], *tree.listed_parts(entry))
            real = row_is_real(row, parts[:-1], names, label_is)
            sample = _sample(tree, parts, row, real, names)
        except Unparsed as error:
            yield Remark("unparsed", entry, f"{where}: {error}")
        except Contradiction as error:
            check.add_contradiction(f"line {line}: {error}")
            yield Remark("conflict", entry, f"{where}: {error}; it is left out")
        except Unclear as error:
            unclear.setdefault(error.folder, Remark("error", f"{csv[-1]}, {error.folder}", error.reason, error.hint))
            yield Remark("unparsed", entry, f"{where}: {error.reason}")
        else:
            truths.setdefault((sample.dataset, row.get("method", "")), set()).add(real)
            if sample.path == tree.root:
                yield Remark("missing", entry, f"named in {csv[-1]}", category=sample.category)
            else:
                yield sample
    yield from unclear.values()
    yield from check.errors()
    for (dataset, method), both in sorted(truths.items()):
        if len(both) > 1 and method:
            reason = f"the dataset {dataset} has reals and forgeries of the method {method}"
            yield Remark("error", csv[-1], reason, "leave the method of reals empty, or call it real")


def _sample(tree: Tree, parts: Parts, row: dict[str, str], real: bool, names: Names) -> Sample:
    """The sample of a row; its path is the root if its file is missing."""
    method, dataset = row.get("method", ""), names.dataset or row.get("dataset", "")
    if not dataset or not (real or method):
        raise Unparsed("the dataset or the method is missing")
    return Sample(
        "/".join(parts),
        tree.find_exact(parts) or tree.root,
        dataset,
        "real" if real else method,
        real,
        row.get("group", ""),
        tuple(name for name in row.get("identities", "").split(";") if name),
        row.get("split", ""),
        frame_number(row.get("frame", "")),
    )
