"""The adapter for what has none: one folder per category, or a csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kce import BadData, KCEError
from kce.data.scan import ScanFailed, scan
from tests.support.planted import build, facts, plant, remarks, samples

# --- one folder per category


@pytest.mark.parametrize(
    ("folder", "dataset", "category", "method"),
    [
        ("CelebDFv2_FaceSwapPRO", "", "CelebDFv2_FaceSwapPRO", "FaceSwapPRO"),
        ("ForgeryNet_Talking_Head_Video", "", "ForgeryNet_Talking_Head_Video", "Talking_Head_Video"),
        ("CelebDFv2_real", "", "CelebDFv2_real", "real"),
        ("DF_Platter_real", "", "DF_Platter_real", "real"),
        ("swap", "", "mine_swap", "swap"),
        ("Real", "", "mine_real", "real"),
        ("ORIGINAL", "", "mine_real", "real"),
        ("pristine", "", "mine_real", "real"),
        ("surreal", "", "mine_surreal", "surreal"),
        ("_swap", "", "mine__swap", "_swap"),
        ("swap_", "", "mine_swap_", "swap_"),
        ("swap", "My", "My_swap", "swap"),
        ("face_swap", "My", "My_face_swap", "face_swap"),
        ("original", "My", "My_real", "real"),
        ("a_real", "My", "My_a_real", "real"),
    ],
)
def test_the_name_of_a_folder_is_the_category(
    tmp_path: Path, folder: str, dataset: str, category: str, method: str
) -> None:
    root = plant(tmp_path / "mine", [f"{folder}/a.png"])
    (sample,) = samples(build("folder", root, dataset=dataset)).values()
    assert (sample.category, sample.method, sample.real) == (category, method, method == "real")
    assert sample.path.is_file()


def test_pictures_and_videos_at_any_depth_are_samples(tmp_path: Path) -> None:
    plant(tmp_path, ["a_b/1.png", "a_b/v1/1.JPG", "a_b/v1/x/1.mp4", "masks/1.webp", "a_b/t.txt", "a_b/.h.png", "1.png"])
    dataset = build("folder", tmp_path)
    assert {key: sample.group for key, sample in samples(dataset).items()} == {
        "a_b/1.png": "",
        "a_b/v1/1.JPG": "a_b/v1",
        "a_b/v1/x/1.mp4": "a_b/v1/x",
        "masks/1.webp": "",
    }
    assert set(remarks(dataset, "ignored")) == {"a_b/t.txt", "a_b/.h.png"}
    assert set(remarks(dataset, "unparsed")) == {"1.png"}


def test_the_root_needs_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "mine", ["swap/a.png"])
    monkeypatch.chdir(tmp_path / "mine")
    dataset = build("folder", Path())
    assert dataset.name == "mine"
    assert [sample.category for sample in samples(dataset).values()] == ["mine_swap"]


# --- a csv

HEAD = "path,dataset,method,label,group,identities,split,frame\n"


def test_rows_of_a_csv(tmp_path: Path) -> None:
    plant(tmp_path, ["x/a.png", 'x/딥 [1],"b".png'])
    text = f'{HEAD}a.png,D,swap,fake,d:1,d:1;d:2,test,7\n"딥 [1],""b"".png",D,youtube,real,,,,\n'
    plant(tmp_path, ["x/list.csv"], text)
    dataset = build("folder", tmp_path, csv="x/list.csv")
    by_key = samples(dataset)
    assert {key: facts(sample) for key, sample in by_key.items()} == {
        "x/a.png": ("D_swap", "d:1", ("d:1", "d:2"), "test", 7),
        'x/딥 [1],"b".png': ("D_real", "", (), "", None),
    }
    assert by_key["x/a.png"].path == tmp_path / "x/a.png"


def test_a_face_folder_is_a_dataset(tmp_path: Path) -> None:
    plant(tmp_path, ["D_swap/1.png", "D_real/1.png"])
    plant(
        tmp_path,
        ["faces.csv"],
        "key,category,dataset,method,real,group,identities,split,frame,box,score,source,file\n"
        'k1,D_swap,D,swap,0,d:1,d:1;d:2,train,3,"1,2,3,4",0.9,v.mp4,D_swap/1.png\n'
        'k2,D_real,D,real,1,d:1,d:1,train,,"1,2,3,4",0.9,w.mp4,D_real/1.png\n',
    )
    assert [facts(sample) for sample in samples(build("folder", tmp_path)).values()] == [
        ("D_swap", "d:1", ("d:1", "d:2"), "train", 3),
        ("D_real", "d:1", ("d:1",), "train", None),
    ]


def test_what_a_scan_writes_is_read_as_the_same_samples(tmp_path: Path) -> None:
    paths = ["original_sequences/youtube/c23/videos/071.mp4", "manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"]
    root = plant(tmp_path / "FF++", paths)
    dataset = build("FaceForensics++", tmp_path)
    scan(dataset, tmp_path, csv=tmp_path / "list.csv")
    again = samples(build("folder", tmp_path, csv="list.csv"))
    assert [facts(sample) for sample in again.values()] == [facts(sample) for sample in samples(dataset).values()]
    assert [sample.path for sample in again.values()] == [root / path for path in sorted(paths)]


def test_rows_that_cannot_be_used_are_reported_one_by_one(tmp_path: Path) -> None:
    plant(tmp_path, ["secret.png"])
    root = plant(tmp_path / "root", ["a.png"])
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    bad = [
        "../secret.png,D,m,fake",
        f"{tmp_path}/secret.png,D,m,fake",
        "link.png,D,m,fake",
        ",D,m,fake",
        "a.png,D,m,perhaps",
        "a.png,,m,fake",
        "a.png,D,,fake",
        "a.png",
        "a.png,D,m,fake,,,,seven",
        f"a.png,D,m,fake,,,,{'9' * 5000}",
    ]
    plant(root, ["list.csv"], HEAD + "\n".join([*bad, "gone.png,D,m,fake", "a.png,D,m,fake,too,many,x,1,2,3"]) + "\n")
    dataset = build("folder", root, csv="list.csv")
    remarks_ = [item for item in dataset if getattr(item, "kind", "") == "unparsed"]
    assert [item.reason.split(":")[0] for item in remarks_] == [f"line {n + 2} of list.csv" for n in range(len(bad))]
    assert remarks(dataset, "missing") == {"gone.png": "named in list.csv"}
    assert list(samples(dataset)) == ["a.png"]


def test_the_dataset_may_be_given_instead_of_a_column(tmp_path: Path) -> None:
    plant(tmp_path, ["a.png"])
    plant(tmp_path, ["list.csv"], "file,method,real\na.png,m,0\n")
    dataset = build("folder", tmp_path, csv="list.csv", dataset="Mine")
    assert [sample.category for sample in samples(dataset).values()] == ["Mine_m"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path,dataset,label\n", "no column method"),
        ("dataset,method\n", "no column file or path, label or real or is_real or fake or is_fake"),
        ("", "no column"),
        (HEAD + '"' + "x" * 200_000, "not readable CSV"),
    ],
)
def test_an_invalid_csv(tmp_path: Path, text: str, why: str) -> None:
    plant(tmp_path, ["list.csv"], text)
    with pytest.raises(BadData, match=why) as caught:
        list(build("folder", tmp_path, csv="list.csv"))
    assert caught.value.hint


def test_a_csv_in_another_encoding(tmp_path: Path) -> None:
    plant(tmp_path, ["a.png"])
    (tmp_path / "list.csv").write_bytes(HEAD.encode() + "딥.png,D,m,fake\n".encode("cp949"))
    with pytest.raises(BadData, match="UTF-8"):
        list(build("folder", tmp_path, csv="list.csv"))


def test_a_csv_that_does_not_exist_or_is_outside(tmp_path: Path) -> None:
    plant(tmp_path, ["list.csv"], HEAD)
    root = plant(tmp_path / "root", ["a.png"])
    with pytest.raises(KCEError, match="no file nothing"):
        build("folder", root, csv="nothing.csv")
    with pytest.raises(KCEError, match="outside"):
        build("folder", root, csv=str(tmp_path / "list.csv"))
    assert build("folder", tmp_path, csv=str(tmp_path / "list.csv")).csv == ("list.csv",)


# --- what a row says of its label


def rows(root: Path, head: str, *lines: str, **parameters: str) -> Any:
    """The adapter of a root with these files and a csv with these rows."""
    plant(root, [line.partition(",")[0] for line in lines])
    plant(root, ["list.csv"], "\n".join([head, *lines]))
    return build("folder", root, csv="list.csv", **parameters)


@pytest.mark.parametrize("one", ["1", "1.0", "true", "True", "yes"])
def test_a_bare_1_in_the_column_label_is_asked(tmp_path: Path, one: str) -> None:
    head, lines = "path,dataset,method,label", (f"a.png,D,Swap,{one}", "b.png,D,,0")
    with pytest.raises(ScanFailed, match=f"the label {one} stands for reals in some datasets, and for forg") as caught:
        scan(rows(tmp_path, head, *lines), tmp_path, csv=tmp_path / "out.csv")
    assert 'folder:label_is="fake"' in caught.value.hint
    assert not (tmp_path / "out.csv").exists()
    assert scan(rows(tmp_path, head, *lines, label_is="fake"), tmp_path).by_category == {"D_Swap": 1, "D_real": 1}
    with pytest.raises(ScanFailed, match=f"label={one} says real, method=Swap says fake"):
        scan(rows(tmp_path, head, *lines, label_is="real"), tmp_path)


@pytest.mark.parametrize(
    ("column", "fake", "real"),
    [
        ("real", "0", "1"), ("is_real", "False", "True"), ("fake", "1", "0"), ("Is_Fake", "yes", "no"),
        ("label", "spoof", "live"), ("label", "FAKE", "Genuine"), ("label", "deepfake", "bonafide"),
        ("real", "fake", "real"), ("is_fake", "fake", "real"),
    ],
)  # fmt: skip
def test_columns_and_words_that_are_clear(tmp_path: Path, column: str, fake: str, real: str) -> None:
    dataset = rows(tmp_path, f"path,dataset,method,{column}", f"a.png,D,m,{fake}", f"b.png,D,,{real}")
    assert {key: sample.category for key, sample in samples(dataset).items()} == {"a.png": "D_m", "b.png": "D_real"}


@pytest.mark.parametrize(
    ("head", "line", "why"),
    [
        ("label,real,method", "fake,1,m", "real=1 says real, label=fake says fake"),
        ("label,is_fake,method", "real,1,m", "label=real says real, is_fake=1 says fake"),
        ("real,fake,method", "1,1,m", "real=1 says real, fake=1 says fake"),
        ("label,method", "fake,original", "method=original says real, label=fake says fake"),
        ("label,method", "real,FaceSwap", "label=real says real, method=FaceSwap says fake"),
        ("label,method", "real,fake", "label=real says real, method=fake says fake"),
        ("label,method,category", "fake,m,D_real", "category=D_real says real, label=fake says fake"),
    ],
)
def test_a_row_that_contradicts_itself_is_a_conflict_and_left_out(
    tmp_path: Path, head: str, line: str, why: str
) -> None:
    good = ",".join("real" if name == "label" else "" for name in head.split(","))
    good = good if "label" in head else "1,0,"
    dataset = rows(tmp_path, f"path,dataset,{head}", f"a.png,D,{line}", f"b.png,D,{good}")
    assert list(samples(dataset)) == ["b.png"]
    assert remarks(dataset, "conflict") == {"a.png": f"line 2 of list.csv: {why}; it is left out"}
    assert remarks(dataset, "error") == {"list.csv": f"1 of its 2 rows contradict themselves, the first: line 2: {why}"}


def test_a_label_that_contradicts_the_folders_of_the_file_is_a_conflict(tmp_path: Path) -> None:
    lines = ["real/1.png,D,m,fake", "fake/m/1.png,D,,real", "fake/real/1.png,D,m,fake", "x/1.png,D,,real"]
    dataset = rows(tmp_path, "path,dataset,method,label", *lines)
    assert list(samples(dataset)) == ["fake/real/1.png", "x/1.png"]
    assert len(remarks(dataset, "conflict")) == 2


def test_few_rows_that_contradict_themselves_do_not_stop_a_scan(tmp_path: Path) -> None:
    lines = [f"{n}.png,D,m,fake" for n in range(300)]
    report = scan(rows(tmp_path, "path,dataset,method,label", *lines, "x.png,D,real,fake"), tmp_path)
    assert (report.samples, len(report.conflicts)) == (300, 1)


def test_a_method_with_reals_and_forgeries_is_an_error(tmp_path: Path) -> None:
    dataset = rows(tmp_path, "path,dataset,method,label", "a.png,D,m,fake", "b.png,D,m,real")
    assert remarks(dataset, "error") == {"list.csv": "the dataset D has reals and forgeries of the method m"}


def test_a_list_of_other_files_is_not_used(tmp_path: Path) -> None:
    lines = [f"{n}.png,D,m,fake" for n in range(20)]
    dataset = rows(tmp_path, "path,dataset,method,label", *lines)
    for n in range(2):
        (tmp_path / f"{n}.png").unlink()
    assert scan(dataset, tmp_path).samples == 18
    (tmp_path / "2.png").unlink()
    with pytest.raises(ScanFailed, match=r"3 of 20 files that the list of .* names are missing .* 0\.png") as caught:
        scan(dataset, tmp_path)
    assert "the folder that its paths start from" in caught.value.hint
    assert scan(dataset, tmp_path, accept_losses=True).samples == 17


def test_a_list_of_which_a_category_is_missing_is_not_used(tmp_path: Path) -> None:
    dataset = rows(tmp_path, "path,dataset,method,label", *(f"{n}.png,D,m,fake" for n in range(20)), "x.png,D,o,fake")
    (tmp_path / "x.png").unlink()
    with pytest.raises(ScanFailed, match=r"no sample .* is left of D_o"):
        scan(dataset, tmp_path)
