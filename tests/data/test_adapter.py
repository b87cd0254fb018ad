"""The base of adapters: roots, the walk, and the lists of a dataset."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce import BadData, KCEError, Remark, Sample, Tree, Unparsed
from kce.data import adapter as module
from kce.data.root import WrongRoot
from tests.support.planted import files, plant, remarks, samples


class Apples(Tree):
    name = "Apples"
    root_names = ("Apples-v1", "Apples")
    excluded_root_names = ("Apples-v2",)
    root_contains = (("red", "사과"), ("flat",))
    media = frozenset({".png"})

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        if parts[-1].startswith("bad"):
            raise Unparsed("bad name")
        return self.sample(parts, "real" if parts[0] == "red" else parts[0], group="apples:1")


def keys(root: Path) -> list[str]:
    return list(samples(Apples(root)))


def test_a_sample_has_the_path_of_its_file(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png"])
    sample = samples(Apples(tmp_path))["red/a.png"]
    assert sample == Sample("red/a.png", tmp_path / "red/a.png", "Apples", "real", real=True, group="apples:1")


# --- the root


@pytest.mark.parametrize("given_root", [".", "outer", "outer/Apples", "outer/Apples/red", "outer/Apples/red/deep"])
def test_the_root_is_found_two_levels_down_and_up(tmp_path: Path, given_root: str) -> None:
    plant(tmp_path, ["outer/Apples/red/deep/a.png"])
    apples = Apples(tmp_path / given_root)
    assert apples.root == tmp_path / "outer/Apples"
    assert list(samples(apples)) == ["red/deep/a.png"]


def test_the_root_is_found_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, ["red/deep/a.png"])
    for folder in (".", "red", "red/deep"):
        monkeypatch.chdir(tmp_path / folder)
        sample = samples(Apples("."))["red/deep/a.png"]
        assert sample.path.is_file()


@pytest.mark.parametrize("folder", ["RED", "사과", unicodedata.normalize("NFD", "사과")])
def test_folders_of_the_root_are_compared_without_case_and_unicode_form(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [f"[a] (b) 데이터/{folder}/a.png"])
    assert Apples(tmp_path).root == tmp_path / "[a] (b) 데이터"


def test_the_first_tier_of_folders_decides_even_from_afar(tmp_path: Path) -> None:
    plant(tmp_path, ["red/flat/a.png"])
    assert Apples(tmp_path / "red").root == tmp_path
    plant(tmp_path / "red", ["x/flat/a.png"])
    assert Apples(tmp_path / "red" / "x").root == tmp_path


def test_a_root_name_chooses_between_folders_and_nothing_is_guessed_without(tmp_path: Path) -> None:
    plant(tmp_path, ["apples/red/a.png", "apples-v1/red/a.png", "other/red/a.png"])
    assert Apples(tmp_path).root == tmp_path / "apples-v1"
    (tmp_path / "apples-v1").rename(tmp_path / "b")
    (tmp_path / "apples").rename(tmp_path / "a")
    with pytest.raises(KCEError, match=r"several folders look like Apples: .*a, .*b"):
        Apples(tmp_path)


def test_a_look_alike_is_not_taken(tmp_path: Path) -> None:
    plant(tmp_path, ["Apples-v2/red/a.png"])
    with pytest.raises(WrongRoot, match="another dataset than Apples, by its name"):
        Apples(tmp_path)
    plant(tmp_path, ["mine/red/a.png"])
    assert Apples(tmp_path).root == tmp_path / "mine"


def test_a_folder_that_cannot_be_the_root_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plant(tmp_path, ["file.png", "else/x/y/z.txt"])
    for name, why in {
        "nowhere": "no folder",
        "file.png": "is a file",
        "empty": "is empty",
        "else": r"does not look like Apples: none of the folders red, 사과, flat .* it contains x",
    }.items():
        with pytest.raises(KCEError, match=why) as caught:
            Apples(tmp_path / name)
        assert caught.value.hint
        assert isinstance(caught.value, WrongRoot) == (name == "else")


def test_a_link_is_not_followed_to_find_the_root(tmp_path: Path) -> None:
    plant(tmp_path, ["elsewhere/Apples/red/a.png", "given/readme.txt"])
    (tmp_path / "given" / "link").symlink_to(tmp_path / "elsewhere" / "Apples")
    with pytest.raises(KCEError, match="does not look like"):
        Apples(tmp_path / "given")
    assert len(samples(Apples(tmp_path / "given" / "link"))) == 1  # but one that the user gives is


# --- the walk


def test_frames_come_in_natural_order_folder_by_folder(tmp_path: Path) -> None:
    plant(tmp_path, [f"red/{n}.png" for n in (10, 9, 100, "009", "a2", "a10")] + ["red/9a/x.png"])
    assert [key[4:-4] for key in keys(tmp_path)] == ["009", "9", "9a/x", "10", "100", "a2", "a10"]


def test_what_is_not_a_sample_is_ignored(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png", "red/A.PNG"])
    no_samples = [
        "list.txt", "red/a.wav", "red/noextension", "red/.hidden.png", ".cache/a.png", "__MACOSX/red/._a.png",
        "red/masks/a.png", "red/Masks/deep/a.png", "red/models/x/a.png", "red/landmarks/a.npy",
    ]  # fmt: skip
    plant(tmp_path, no_samples)
    apples = Apples(tmp_path)
    assert list(samples(apples)) == ["red/A.PNG", "red/a.png"]
    assert set(remarks(apples, "ignored")) == set(no_samples)


def test_an_empty_folder_is_missing(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png"])
    (tmp_path / "green" / "deep").mkdir(parents=True)
    (tmp_path / "red" / "masks").mkdir()
    assert set(remarks(Apples(tmp_path), "missing")) == {"green/deep"}


def test_folders_are_ignored_by_their_whole_name(tmp_path: Path) -> None:
    plant(tmp_path, ["red/masks2/a.png", "red/unmasks/a.png", "red/masks.png"])
    assert len(keys(tmp_path)) == 3


def test_names_that_are_hostile_to_globs_csvs_and_terminals_are_safe(tmp_path: Path) -> None:
    names = [
        "red/[a] (b).png",
        "red/a*?.png",
        'red/a,"b".png',
        "red/a\nb.png",
        "red/딥페이크/변조영상 1.png",
        "red/é.png",
    ]
    plant(tmp_path, names)
    by_key = samples(Apples(tmp_path))
    assert set(by_key) == set(names)
    assert all(sample.path.is_file() for sample in by_key.values())


def test_a_bad_name_is_unparsed_with_its_reason(tmp_path: Path) -> None:
    plant(tmp_path, ["red/bad1.png", "red/a.png"])
    assert remarks(Apples(tmp_path), "unparsed") == {"red/bad1.png": "bad name"}


def test_an_added_remark_does_not_replace_the_sample(tmp_path: Path) -> None:
    class Listed(Apples):
        def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
            if parts[-1] == "b.png":
                self.add_remark("extra", parts, "in no list")
                self.add_remark("conflict", parts, "two lists")
            return super().parse(parts)

    plant(tmp_path, ["red/a.png", "red/b.png", "red/c.png"])
    listed = Listed(tmp_path)
    assert next(item for item in listed if isinstance(item, Sample) and item.key == "red/b.png")  # and left there
    items = [item.key if isinstance(item, Sample) else item for item in listed]
    assert items == [
        "red/a.png",
        "red/b.png",
        Remark("extra", "red/b.png", "in no list"),
        Remark("conflict", "red/b.png", "two lists"),
        "red/c.png",
    ]


def test_names_that_are_not_utf8_are_unparsed(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png"])
    try:
        with open(os.fsencode(tmp_path / "red") + b"/\xff.png", "w"):  # noqa: PTH123 - a Path has no bytes
            pass
        os.mkdir(os.fsencode(tmp_path / "red") + b"/dir\xff")  # noqa: PTH102
    except OSError:
        pytest.skip("this file system has no such names")
    reasons = remarks(Apples(tmp_path), "unparsed")
    assert set(reasons) == {r"red/\udcff.png", r"red/dir\udcff"}


@given(name=st.text(alphabet="aé가각ﬁ각x", min_size=1, max_size=6))
def test_a_decomposed_name_is_the_same_name(name: str) -> None:
    composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for root, form in ((one, composed), (two, apart)):
            plant(Path(root), [f"red/{form}/{form}.png"])
        a, b = samples(Apples(Path(one))), samples(Apples(Path(two)))
        assert list(a) == list(b) == [f"red/{composed}/{composed}.png"]
        assert all(sample.path.is_file() for sample in (*a.values(), *b.values()))


SEGMENT = st.sampled_from(["red", "masks", "a", "b2", "b10", ".x", "딥", "__MACOSX"])
LEAF = st.sampled_from(["1.png", "bad.png", "2.txt", ".y.png", "noext", "10.png"])


@given(paths=st.lists(st.tuples(st.lists(SEGMENT, max_size=3), LEAF), max_size=12))
def test_each_file_is_exactly_one_thing_and_the_order_is_fixed(paths: list[tuple[list[str], str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = plant(Path(name), ["red/0.png", *("/".join([*folders, leaf]) for folders, leaf in paths)])
        items = list(Apples(root))
        assert len(items) == files(root)
        assert len({item.key if isinstance(item, Sample) else item.path for item in items}) == files(root)
        assert items == list(Apples(root))


def test_links_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    secret = plant(tmp_path / "secret", ["a.png", "dir/b.png"])
    root = plant(tmp_path / "root", ["red/a.png", "other/c.png"])
    (root / "red/out.png").symlink_to(secret / "a.png")
    (root / "red/outdir").symlink_to(secret / "dir")
    (root / "red/up").symlink_to("..")
    (root / "red/in.png").symlink_to(root / "red" / "a.png")
    (root / "red/indir").symlink_to(root / "other")
    (root / "red/broken.png").symlink_to(root / "nothing.png")
    (root / "red/out.txt").symlink_to(secret / "a.png")
    apples = Apples(root)
    assert set(samples(apples)) == {"red/a.png", "red/in.png", "other/c.png"}
    assert set(remarks(apples, "unparsed")) == {"red/out.png", "red/outdir", "red/broken.png"}
    assert set(remarks(apples, "ignored")) == {"red/up", "red/indir", "red/out.txt"}


def test_a_tree_deeper_than_stack_and_system_allow_is_walked_and_reported(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png"])
    here = os.open(tmp_path / "red", os.O_RDONLY)
    try:
        for _ in range(2100):  # step by step: no system takes the whole path at once
            os.mkdir("d", dir_fd=here)
            here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
            os.close(above)
        os.close(here)
        sample, remark = Apples(tmp_path)
        assert isinstance(sample, Sample)
        assert isinstance(remark, Remark)
        assert remark.reason.startswith("the folder cannot be read")
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "red"], check=True)  # Python's own removal is a recursion


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png"])
    os.mkfifo(tmp_path / "red" / "pipe.png")
    assert remarks(Apples(tmp_path), "ignored") == {"red/pipe.png": "neither a file nor a folder"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_unparsed(tmp_path: Path) -> None:
    plant(tmp_path, ["red/a.png", "red/closed/b.png"])
    (tmp_path / "red/closed").chmod(0)
    try:
        assert set(remarks(Apples(tmp_path), "unparsed")) == {"red/closed"}
    finally:
        (tmp_path / "red/closed").chmod(0o700)


# --- files that lists name


@pytest.mark.parametrize(
    "entry", ["/etc/passwd", "../a.png", "red/../../a.png", "C:\\a.png", "..\\a.png", "", ".", "a\0.png"]
)
def test_entries_that_lead_out_are_refused(tmp_path: Path, entry: str) -> None:
    apples = Apples(plant(tmp_path, ["red/a.png"]))
    with pytest.raises(Unparsed):
        apples.listed_parts(entry)


@given(entry=st.text(max_size=30))
def test_no_entry_leads_out_of_the_root(tmp_path_factory: pytest.TempPathFactory, entry: str) -> None:
    root = plant(tmp_path_factory.getbasetemp() / "inside", ["red/a.png"])
    apples = Apples(root)
    try:
        parts = apples.listed_parts(entry)
    except Unparsed:
        return
    assert os.path.normpath(root.joinpath(*parts)).startswith(f"{root}{os.sep}")


def test_find_exact_is_exact_and_refuses_links_out(tmp_path: Path) -> None:
    plant(tmp_path, ["secret/a.png", "root/red/a.png"])
    apart = unicodedata.normalize("NFD", "딥")
    root = plant(tmp_path / "root", [f"red/{apart}.png"])
    (root / "red/out").symlink_to(tmp_path / "secret")
    (root / "red/out.png").symlink_to(tmp_path / "secret/a.png")
    apples = Apples(root)
    assert apples.find_exact(("red", "a.png")) == root / "red/a.png"
    assert apples.find_exact(apples.listed_parts("red/딥.png")) == root / f"red/{apart}.png"
    assert apples.find_exact(("red", "b.png")) is None
    assert apples.find_exact(("red",)) is None
    for parts in (("red", "out", "a.png"), ("red", "out.png")):
        with pytest.raises(Unparsed, match="link"):
            apples.find_exact(parts)


def test_find_does_not_mind_case(tmp_path: Path) -> None:
    plant(tmp_path, ["root/red/List.TXT", "secret/list.txt"])
    apples = Apples(tmp_path / "root")
    assert apples.find("Red", "list.txt") == tmp_path / "root/red/List.TXT"
    assert apples.find("Red", "nothing") is None
    (tmp_path / "root/out.txt").symlink_to(tmp_path / "secret/list.txt")
    (tmp_path / "root/out").symlink_to(tmp_path / "secret")
    assert apples.find("out") is None
    with pytest.raises(BadData, match="leads out"):
        apples.find("out.txt")


def test_lists_and_json_files_are_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apples = Apples(plant(tmp_path, ["red/a.png"]))
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n two \xff\n")
    assert list(apples.read_lines(tmp_path / "list.txt")) == [(1, "one"), (3, "two �")]
    (tmp_path / "long.txt").write_bytes(b"x" * 200_000)
    assert max(len(line) for _, line in apples.read_lines(tmp_path / "long.txt")) <= 2**16
    for content in ("{", "[" * 100_000, "\x00"):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(BadData, match="not readable JSON"):
            apples.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(json.dumps([["071", "054"]]))
    assert apples.read_json(tmp_path / "a.json") == [["071", "054"]]
    monkeypatch.setattr(module, "MAX_JSON", 3)
    monkeypatch.setattr(module, "MAX_LIST", 3)
    with pytest.raises(BadData, match="a list may have 3"):
        apples.read_json(tmp_path / "a.json")
    with pytest.raises(BadData, match="a list may have 3"):
        list(apples.read_lines(tmp_path / "list.txt"))
