"""The report of a scan, and its csv."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce import KCEError, Remark, Sample
from kce.data import losses as module
from kce.data.leaks import Leak
from kce.data.sample_csv import COLUMNS
from kce.data.scan import ScanFailed, ScanReport, scan
from kce.system import atomic
from kce.system.documents import document_from_table, document_to_table
from tests.support.planted import build, plant


class Given:
    """A dataset that yields what it is given, as somebody's own 15 lines would."""

    name = "Given"

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def sample(key: str, root: Path = Path("root"), **more: Any) -> Sample:
    return Sample(key, root / key, "Given", more.pop("method", "m"), **more)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_has_exactly_what_the_contract_says() -> None:
    items = [
        sample("a"),
        sample("b", real=True, method="real", split="test"),
        Remark("missing", "c", "named in list"),
        Remark("conflict", "d"),
        Remark("ignored", "e", "a mask"),
        Remark("extra", "a", "in no list"),
    ]
    assert document_to_table(scan(Given(items), "root")) == {
        "schema": 1,
        "dataset": "Given",
        "root": "root",
        "samples": 2,
        "by_category": {"Given_m": 1, "Given_real": 1},
        "real_categories": ["Given_real"],
        "by_split": {"none": 1, "test": 1},
        "unparsed": [],
        "unparsed_files": 0,
        "missing": ["c: named in list"],
        "conflicts": ["d"],
        "extra": ["a: in no list"],
        "errors": [],
        "ignored": 1,
        "ignored_media": {},
        "vanished": [],
        "without_samples": [],
        "expected": None,
        "split": None,
        "leaks": None,
        "corrupt": None,
        "unknown_recordings": 2,
        "several_faces": None,
    }


def test_an_error_fails_the_scan_carries_the_report_and_writes_no_labels(tmp_path: Path) -> None:
    items = [sample(str(n)) for n in range(1000)] + [Remark("error", "photos", "real or fake?", "say which")]
    with pytest.raises(ScanFailed, match=r"Given below root: photos: real or fake\?") as caught:
        scan(Given(items), "root", csv=tmp_path / "out.csv")
    assert caught.value.hint == "say which"
    assert caught.value.report.errors == ("photos: real or fake?",)
    assert caught.value.report.samples == 1000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (
            ("A_b", "c", False),
            ("A", "b_c", False),
            "A_b_c: .*'A' with the method 'b_c', and .*'A_b' with",
        ),
        (("A", "real", False), ("A", "real", True), "A_real: .*forgeries whose method is called real, and reals of"),
        (("A", "real", False), ("A", "youtube", True), "A_real: .*forgeries whose method is called real, and reals of"),
        (("A_real", "x", False), ("A", "real_x", False), "A_real_x"),
    ],
)
def test_one_name_for_two_categories_is_an_error(
    one: tuple[str, str, bool], other: tuple[str, str, bool], why: str
) -> None:
    items = [Sample(str(n), Path(str(n)), *what) for n, what in enumerate((one, other))]
    with pytest.raises(ScanFailed, match=why) as caught:
        scan(Given(items), "root")
    assert caught.value.hint


def test_reals_with_several_methods_are_one_category() -> None:
    items = [Sample(method, Path(method), "A", method, real=True) for method in ("youtube", "actors", "real")]
    report = scan(Given(items), "root")
    assert report.by_category == {"A_real": 3}
    assert report.real_categories == ("A_real",)


def test_expected_counts_are_the_adapters() -> None:
    dataset = Given([sample("a")])
    dataset.expected = {"Given_m": 7}  # type: ignore[attr-defined]
    assert scan(dataset, "root").expected == {"Given_m": 7}


def test_a_key_that_comes_twice_counts_once_and_is_a_conflict(tmp_path: Path) -> None:
    report = scan(Given([sample("a"), sample("b"), sample("a")]), "root", csv=tmp_path / "out.csv")
    assert report.samples == len(rows(tmp_path / "out.csv")) == 2
    assert report.conflicts == (f"a: a second sample has this key: {Path('root/a')}",)


def test_no_sample_is_a_failure_that_carries_the_report(tmp_path: Path) -> None:
    with pytest.raises(ScanFailed, match="no samples of Given found below root") as caught:
        scan(Given([Remark("ignored", "a")]), "root", csv=tmp_path / "out.csv")
    assert caught.value.hint
    assert caught.value.report.ignored == 1
    assert rows(tmp_path / "out.csv") == []


@pytest.mark.parametrize(("good", "bad", "fails"), [(199, 1, False), (198, 1, True), (0, 1, True), (1, 0, False)])
def test_more_than_half_a_percent_of_bad_names_is_a_failure(tmp_path: Path, good: int, bad: int, fails: bool) -> None:
    items = [sample(str(n)) for n in range(good)] + [Remark("unparsed", "bad", "why")] * bad
    if not fails:
        assert scan(Given(items), "root").samples == good
        return
    with pytest.raises(ScanFailed, match=r"no samples|of .* files .* the first: bad: why") as caught:
        scan(Given(items), "root", csv=tmp_path / "out.csv")
    assert caught.value.report.unparsed == ("bad: why",)
    assert len(rows(tmp_path / "out.csv")) == good


def test_a_long_list_is_cut_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 3)
    items = [
        sample("a"),
        *(Remark("missing", str(n)) for n in range(3)),
        *(Remark("conflict", str(n)) for n in range(5)),
    ]
    report = scan(Given(items), "root")
    assert report.missing == (
        "0",
        "1",
        "2",
    )
    assert report.conflicts == (
        "0",
        "1",
        "2",
        "... and 2 more",
    )


def test_anything_but_samples_and_remarks_is_an_error_of_the_adapter() -> None:
    with pytest.raises(KCEError, match="Given yielded a value of type str"):
        scan(Given(["a"]), "root")


def test_progress_is_reported() -> None:
    calls: list[tuple[str, int, int | None]] = []
    scan(Given([sample(str(n)) for n in range(2500)]), "root", progress=lambda *args: calls.append(args))
    assert calls == [("scan", 1000, None), ("scan", 2000, None), ("scan", 2500, 2500)]


def test_a_report_can_be_read_again() -> None:
    items = [sample("a", identities=("x:1",), split="train"), sample("b", identities=("x:1",), split="test")]
    for split in ("", "official", "disjoint"):
        report = scan(Given(items), "root", split=split)
        table = json.loads(json.dumps(document_to_table(report)))
        assert document_from_table(table, ScanReport, "report.json") == report


# --- other splits


def crowd() -> list[Sample]:
    return [sample(f"{n}/{m}", identities=(f"x:{n}", f"x:{n ^ 1}"), split="test") for n in range(40) for m in range(5)]


def test_a_disjoint_split_is_in_the_report_and_in_the_csv(tmp_path: Path) -> None:
    report = scan(Given(crowd()), "root", csv=tmp_path / "out.csv", split="disjoint", seed=1)
    assert report.by_split == {"train": 160, "val": 20, "test": 20}
    assert report.split is not None
    assert (report.split.mode, report.split.seed, report.leaks) == ("identity", 1, ())
    assert Counter(row["split"] for row in rows(tmp_path / "out.csv")) == report.by_split
    assert scan(Given(crowd()), "root").split is None


def test_what_is_dropped_is_in_no_split_and_no_leak(tmp_path: Path) -> None:
    items = [sample(f"{a}_{b}", identities=(f"x:{a}", f"x:{b}")) for a in range(12) for b in range(12)]
    report = scan(Given(items), "root", csv=tmp_path / "out.csv", split="disjoint")
    assert report.split is not None
    assert report.split.mode == "target"
    assert 0 < report.split.dropped == report.by_split["none"]
    assert report.leaks == ()
    assert len(rows(tmp_path / "out.csv")) == report.samples == 144


def test_the_official_split_reports_its_leaks() -> None:
    items = [sample("a", identities=("x:1",), split="train"), sample("b", identities=("x:1",), split="test")]
    report = scan(Given(items), "root", split="official")
    assert report.split is not None
    assert report.split.mode == "official"
    assert report.leaks == (Leak("identity", ("x:1",), {"test": ("Given",), "train": ("Given",)}),)
    assert document_to_table(report)["leaks"] == [
        {"kind": "identity", "names": ["x:1"], "splits": {"test": ["Given"], "train": ["Given"]}}
    ]


def test_a_key_that_comes_twice_does_not_break_a_split() -> None:
    report = scan(Given([*crowd(), crowd()[0]]), "root", split="disjoint")
    assert report.samples == 200
    assert len(report.conflicts) == 1


# --- the csv


TEXT = st.text(st.characters(blacklist_characters="\0/\\", blacklist_categories=["Cs"]), min_size=1, max_size=8)


@given(keys=st.lists(TEXT.filter(lambda key: key not in (".", "..")), unique=True, min_size=1), group=TEXT)
def test_the_csv_has_a_row_for_each_sample_and_gives_its_text_back(keys: list[str], group: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "out.csv")
        items = [sample(key, group=group, identities=("딥:1", 'a,"b"'), frame=n) for n, key in enumerate(keys)]
        report = scan(Given(items), "root", csv=path)
        read = rows(path)
        assert list(read[0]) == list(COLUMNS)
        assert report.samples == len(read) == len(keys)
        assert read == [
            {
                "key": key,
                "path": key,
                "dataset": "Given",
                "method": "m",
                "category": "Given_m",
                "label": "fake",
                "group": group,
                "identities": '딥:1;a,"b"',
                "split": "",
                "frame": str(n),
            }
            for n, key in enumerate(keys)
        ]


def test_paths_are_relative_to_the_root_the_user_gave(tmp_path: Path) -> None:
    plant(tmp_path, ["x/FF++/original_sequences/youtube/c23/videos/071.mp4"])
    for given_root in (".", "x", "x/FF++", "x/FF++/original_sequences", "x/FF++/original_sequences/youtube"):
        root = tmp_path / given_root
        scan(build("FaceForensics++", root), root, csv=tmp_path / "out.csv")
        (row,) = rows(tmp_path / "out.csv")
        assert row["key"] == "original_sequences/youtube/c23/videos/071.mp4"
        assert "\\" not in row["path"]
        assert (root / row["path"]).resolve() == tmp_path / "x/FF++" / row["key"]


def test_a_scan_does_not_depend_on_where_it_was_pointed(tmp_path: Path) -> None:
    plant(tmp_path, ["x/FF++/original_sequences/youtube/c23/videos/071.mp4", "x/FF++/original_sequences/youtube/x.txt"])
    reports = [
        replace(scan(build("FaceForensics++", tmp_path / root), tmp_path / root), root="")
        for root in (".", "x", "x/FF++", "x/FF++/original_sequences", "x/FF++/original_sequences/youtube")
    ]
    assert reports[0].samples == reports[0].ignored == 1
    assert all(report == reports[0] for report in reports)


def test_the_csv_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    class Breaks(Given):
        def __iter__(self) -> Iterator[Any]:
            yield sample("a")
            raise KCEError("the disk went away")

    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(KCEError, match="went away"):
        scan(Breaks([]), "root", csv=tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "before"


def test_a_fault_of_the_dataset_is_not_blamed_on_the_csv(tmp_path: Path) -> None:
    class Breaks(Given):
        def __iter__(self) -> Iterator[Any]:
            raise OSError("stale handle")

    with pytest.raises(OSError, match="stale handle"):
        scan(Breaks([]), "root", csv=tmp_path / "out.csv")


def test_a_csv_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "out.csv", tmp_path / "folder"):
        with pytest.raises(KCEError) as caught:
            scan(Given([sample("a")]), "root", csv=path)
        assert caught.value.hint
    assert scan(Given([sample("a")]), "root", csv=tmp_path / "new" / "out.csv").samples == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_an_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part").symlink_to("/dev/full")
    monkeypatch.setattr(atomic, "_new_file", lambda folder: (folder / "part", os.open(os.devnull, os.O_WRONLY)))
    with pytest.raises(KCEError, match="cannot be written: the disk is full"):
        scan(Given([sample(str(n)) for n in range(5000)]), "root", csv=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_memory_grows_by_the_keys_alone(tmp_path: Path) -> None:
    # In a process of its own: threads that other tests left behind allocate meanwhile.
    code = f"""
import tracemalloc
from pathlib import Path
from kce import Sample
from kce.data.scan import scan

class Many:
    name = "Many"
    def __iter__(self):
        return (Sample("x" * 100 + f"/{{n}}", Path("root") / str(n), "Many", "m") for n in range(50_000))

scan(Many(), "root")
tracemalloc.start()
scan(Many(), "root", csv=Path({str(tmp_path / "out.csv")!r}))
print(tracemalloc.get_traced_memory()[1])
"""
    peak = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert peak < 50_000 * 300  # the samples themselves would take three times as much


def test_files_that_the_system_does_not_let_us_read_are_not_corrupt(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    there, gone = (Sample(name, tmp_path / name, "Given", "X") for name in ("a.png", "gone.png"))
    with pytest.raises(ScanFailed, match=r"gone\.png: is missing") as failed:
        scan(Given([there, gone]), tmp_path, decode=True, workers=1)
    assert failed.value.report is not None
    assert failed.value.report.samples == 2
    report = scan(Given([there]), tmp_path, decode=True, workers=1)
    assert report.corrupt == ("a.png: not a picture",)
