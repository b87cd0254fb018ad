"""The samples of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator

from kce import Remark, Sample, Tree, Unparsed

from .listcheck import ListCheck
from .names import Names, Unclear
from .rows import ABOUT_LABELS, Contradiction, frame_number, read_rows, row_is_real

Parts = tuple[str, ...]

_KEPT = 10_000  # combinations of folders and labels that were read, since most rows have those of the row before


def read_table(tree: Tree, csv: Parts, names: Names, label_is: str) -> Iterator[Sample | Remark]:
    """Read a CSV file, whose path below the root of the tree is `csv`.

    Yields:
        For each row a sample or a remark, and then errors where it cannot be used.
    """
    check = ListCheck(csv[-1])
    seen: set[tuple[str, str, bool]] = set()  # dataset, method and label of rows
    unclear: dict[str, Remark] = {}
    read: dict[tuple[Parts, tuple[str | None, ...]], bool] = {}
    several = 0
    for line, row in read_rows(tree.root.joinpath(*csv), bool(names.dataset)):
        check.rows += 1
        entry, where = row.get("path") or row.get("file") or "", f"line {line} of {csv[-1]}"
        several += row.get("faces", "1") not in ("", "1")
        try:
            parts = (*csv[:-1], *tree.listed_parts(entry))
            texts = parts[:-1], tuple(map(row.get, ABOUT_LABELS))
            real = read.get(texts)
            if real is None:
                if len(read) >= _KEPT:
                    read.clear()
                real = read[texts] = row_is_real(row, parts[:-1], names, label_is)
            item = _read_row(tree, (csv[-1], entry), parts, row, real, names)
        except Unparsed as error:
            yield Remark("unparsed", entry, f"{where}: {error}")
        except Contradiction as error:
            check.add_contradiction(f"line {line}: {error}")
            yield Remark("conflict", entry, f"{where}: {error}; it is left out")
        except Unclear as error:
            unclear.setdefault(error.folder, Remark("error", f"{csv[-1]}, {error.folder}", error.reason, error.hint))
            yield Remark("unparsed", entry, f"{where}: {error.reason}")
        else:
            if isinstance(item, Sample):
                seen.add((item.dataset, row.get("method", ""), item.real))
            yield item
    tree.several_faces = several
    yield from unclear.values()
    yield from check.errors()
    for dataset, method, _ in sorted(key for key in seen if key[2] and (*key[:2], False) in seen and key[1]):
        reason = f"the dataset {dataset} has reals and forgeries of the method {method}"
        yield Remark("error", csv[-1], reason, "leave the method of reals empty, or call it real")


def _read_row(
    tree: Tree, named: tuple[str, str], parts: Parts, row: dict[str, str], real: bool, names: Names
) -> Sample | Remark:
    """The sample of a row, or a remark that its file is missing."""
    method, dataset = row.get("method", ""), names.dataset or row.get("dataset", "")
    if not dataset or not (real or method):
        raise Unparsed("the dataset or the method is missing")
    method, frame, path = "real" if real else method, frame_number(row.get("frame", "")), tree.find_exact(parts)
    if path is None:
        csv, entry = named
        return Remark("missing", entry, f"named in {csv}", category=f"{dataset}_{method}")
    identities = tuple(filter(None, row.get("identities", "").split(";")))
    group, split = row.get("group", ""), row.get("split", "")
    return Sample("/".join(parts), path, dataset, method, real, group, identities, split, frame)
