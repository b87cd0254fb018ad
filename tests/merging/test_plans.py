"""Merge plans: what is joined, in whatever order things come; and the file people edit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData, KCEError
from kce.merging.category_means import CategoryMeans
from kce.merging.class_count import count_remarks
from kce.merging.plan_file import (
    check_plan,
    describe_edit,
    mark_edit,
    partition_hash,
    plan_origin,
    read_plan,
    write_plan,
)
from kce.merging.plans import at_random, by_clusters, by_name, same_partition, unmerged_plan
from kce.types import Features, MergePlan

# Sun et al. 2023: the categories, which group evaluates each (0: none does), and the rules by which names were merged.
PAPER = {
    "CelebDFv1_FaceSwapPRO": 0,
    "CelebDFv2_FaceSwapPRO": 4,
    "DeeperForensics_DF-VAE": 2,
    "DeepFakeMnist+_FOMM": 0,
    "DeepfakeTIMIT_FaceSwap-GAN": 3,
    "DeepFakeDetection_FaceSwap": 0,
    "FaceForensics++_DeepFakes": 0,
    "FaceForensics++_Face2Face": 2,
    "FaceForensics++_FaceShifter": 1,
    "FaceForensics++_FaceSwap": 0,
    "FaceForensics++_NeuralTextures": 4,
    "FakeAVCeleb_FaceSwap": 1,
    "FakeAVCeleb_FSGAN": 0,
    "FakeAVCeleb_Wav2Lip": 2,
    "ForgeryNet_ATVG-Net": 1,
    "ForgeryNet_BlendFace": 3,
    "ForgeryNet_DeepFakes": 0,
    "ForgeryNet_DeepFakes-StarGAN-Stack": 0,
    "ForgeryNet_DiscoFaceGAN": 2,
    "ForgeryNet_FaceShifter": 0,
    "ForgeryNet_FOMM": 1,
    "ForgeryNet_FS-GAN": 4,
    "ForgeryNet_MaskGAN": 0,
    "ForgeryNet_MMReplacement": 0,
    "ForgeryNet_SC-FEGAN": 0,
    "ForgeryNet_StarGAN-BlendFace-Stack": 0,
    "ForgeryNet_StarGAN2": 3,
    "ForgeryNet_StyleGAN2": 0,
    "ForgeryNet_Talking_Head_Video": 4,
    "Patch-wise_Face_Image_Forensics_PROGAN": 3,
    "Patch-wise_Face_Image_Forensics_StyleGAN2": 0,
}
RULES = [
    ["CelebDFv1_FaceSwapPRO", "CelebDFv2_FaceSwapPRO"],
    ["DeepFakeMnist+_FOMM", "ForgeryNet_FOMM"],
    [
        "DeepfakeTIMIT_FaceSwap-GAN",
        "DeepFakeDetection_FaceSwap",
        "FaceForensics++_FaceSwap",
        "FakeAVCeleb_FaceSwap",
    ],
    ["FaceForensics++_DeepFakes", "ForgeryNet_DeepFakes"],
    ["FakeAVCeleb_FSGAN", "ForgeryNet_FS-GAN"],
    ["ForgeryNet_DeepFakes-StarGAN-Stack", "ForgeryNet_StarGAN-BlendFace-Stack", "ForgeryNet_StarGAN2"],
    ["ForgeryNet_StyleGAN2", "Patch-wise_Face_Image_Forensics_StyleGAN2"],
]


def methods_of(group: int) -> dict[str, str]:
    datasets = ("Patch-wise_Face_Image_Forensics",)
    known = [category for category, evaluated in PAPER.items() if evaluated != group]
    return {c: next((c[len(d) + 1 :] for d in datasets if c.startswith(d)), c.partition("_")[2]) for c in known}


@pytest.mark.parametrize(("group", "classes"), [(1, 19), (2, 17), (3, 19), (4, 19)])
def test_the_rules_of_the_paper_give_its_numbers_of_classes(group: int, classes: int) -> None:
    methods = methods_of(group)
    assert len(methods) == 27
    plan = by_name(methods, RULES)
    assert len(plan.names) == classes
    assert plan.classes.keys() == methods.keys()
    for rule in RULES:
        assert len({plan.classes[member] for member in rule if member in methods}) <= 1
    # No rule joins the two FaceShifters, although they bear one name.
    assert plan.classes["ForgeryNet_FaceShifter"] != plan.classes.get("FaceForensics++_FaceShifter")


def test_names_join_but_for_case_and_punctuation() -> None:
    methods = {
        "a_1": "FS-GAN",
        "b_2": "fsgan",
        "c_3": "FSGAN2",
        "d_4": "++",
        "e_5": "--",
        "f_6": "한글 합성",
        "g_7": "한글합성",
    }
    plan = by_name(methods)
    assert plan.classes == {
        "a_1": "FS-GAN",
        "b_2": "FS-GAN",
        "c_3": "FSGAN2",
        "d_4": "++",
        "e_5": "--",
        "f_6": "한글 합성",
        "g_7": "한글 합성",
    }


def test_a_class_is_called_as_most_of_its_members_are() -> None:
    plan = by_name({"a_1": "swap-gan", "b_2": "swap", "c_3": "swap", "d_4": "other"}, [["a_1", "b_2", "c_3"]])
    assert plan.names == ["other", "swap"]
    assert by_name({"a_1": "one", "b_2": "two"}, [["b_2", "a_1"]]).names == ["two"]


def test_classes_never_share_a_name_by_accident() -> None:
    plan = by_name({"a_x": "x", "b_x": "x", "c_x": "x"}, [["a_x", "b_x"]])
    assert same_partition(plan, MergePlan({"a_x": "1", "b_x": "1", "c_x": "2"}))
    plan = by_name({"a": "x", "b": "x", "c": "b"}, [["a"], ["absent"]])
    assert len(plan.names) == 3
    with pytest.raises(KCEError, match="categories named in more than one rule: a"):
        by_name({"a": "x"}, [["a", "b"], ["a"]])


categories = st.lists(st.text("abc_한 +", min_size=1, max_size=6), min_size=1, max_size=12, unique=True)


@given(categories, st.randoms(use_true_random=False))
def test_every_plan_holds_every_category_once_in_any_order(pool: list[str], shuffle: object) -> None:
    mixed = sorted(pool, key=lambda c: shuffle.random())  # type: ignore[attr-defined]
    sizes = [1] * (len(pool) // 2) + [len(pool) - len(pool) // 2]
    for make in (
        unmerged_plan,
        lambda some: by_name({category: category[0] for category in some}),
        lambda some: at_random(some, sizes, 3),
    ):
        plan = make(pool)
        assert set(plan.classes) == set(pool)
        assert make(mixed) == plan
    assert unmerged_plan(pool).names == sorted(pool)


@given(categories, st.integers(0, 5), st.data())
def test_at_random_keeps_the_sizes(pool: list[str], seed: int, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(1, len(pool)), unique=True, max_size=4))
    sizes = np.diff([0, *sorted({*cuts, len(pool)})]).tolist()
    plan = at_random(pool, sizes, seed)
    assert sorted(Counter(plan.classes.values()).values()) == sorted(sizes)
    assert plan == at_random(pool, sizes[::-1], seed)


def test_at_random_is_random() -> None:
    plans = [at_random("abcdefgh", [4, 4], seed) for seed in range(8)]
    assert any(not same_partition(plans[0], other) for other in plans)
    with pytest.raises(KCEError, match="add up to 2, but there are 3 categories"):
        at_random("abc", [1, 1], 0)
    with pytest.raises(KCEError, match="0 is below 1"):
        at_random("abc", [3, 0], 0)


# By clusters ---------------------------------------------------------------------------------------------------------


class Fixed:
    """Answers with what it was given."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fit_predict(self, x: np.ndarray) -> object:
        return self.answer


class Near:
    """Rows whose first numbers round to the same integer, which is their cluster, by an odd numbering."""

    def __init__(self, numbering: dict[int, int]) -> None:
        self.numbering = numbering

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        return np.array([self.numbering[round(float(value))] for value in x[:, 0]])


def table(of: dict[str, list[float]]) -> Features:
    labels = [label for label, values in of.items() for _ in values]
    x = np.array([[value, 1.0] for values in of.values() for value in values], np.float32)
    return Features(np.array([f"k{i}" for i in range(len(x))]), np.array(labels), np.array([""] * len(x)), x)


WORLD = {"d": [0.1, -0.1], "a": [1.1, 0.9], "c": [1.0, 1.0], "b": [2.0, 2.2, 1.8], "e": [0.0]}


@pytest.mark.parametrize("vote", ["means", "rows"])
@given(numbers=st.permutations(range(3)), order=st.permutations(range(10)))
def test_clusters_join_categories_however_they_are_numbered_and_ordered(
    vote: str, numbers: list[int], order: list[int]
) -> None:
    plan = by_clusters(table(WORLD).take(np.array(order)), Near(dict(enumerate(numbers))), vote)  # type: ignore[arg-type]
    assert plan.classes == {
        "a": "cluster-01",
        "b": "cluster-02",
        "c": "cluster-01",
        "d": "cluster-03",
        "e": "cluster-03",
    }
    assert plan.votes.keys() == plan.classes.keys()
    assert "Near" in plan.made


@pytest.mark.parametrize("vote", ["means", "rows"])
def test_noise_stays_alone(vote: str) -> None:
    plan = by_clusters(table(WORLD), Near({0: -1, 1: 0, 2: -1}), vote)  # type: ignore[arg-type]
    assert same_partition(plan, MergePlan({"a": "1", "c": "1", "b": "2", "d": "3", "e": "4"}))
    assert [c for c in "abcde" if plan.votes[c].startswith("noise")] == ["b", "d", "e"]


@pytest.mark.parametrize("vote", ["means", "rows"])
def test_fewer_classes_than_asked_for_are_recorded_and_said(
    vote: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    near = Near({0: 0, 1: 1, 2: 2})
    plan = by_clusters(table(WORLD), near, vote, "near:n_clusters=5", 5)  # type: ignore[arg-type]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["near:n_clusters=5 was asked for 5 classes and made 3"]
    assert plan.made == f"by clusters of {vote}: near:n_clusters=5; asked for 5 classes, made 3"
    write_plan(tmp_path / "plan.toml", plan)
    assert "asked = 5\n" in (tmp_path / "plan.toml").read_text(encoding="utf-8")
    assert read_plan(tmp_path / "plan.toml").asked == 5


def test_what_is_asked_of_a_clusterer_is_its_own_number_of_clusters(caplog: pytest.LogCaptureFixture) -> None:
    near = Near({0: 0, 1: 1, 2: 2})
    assert by_clusters(table(WORLD), near).asked is None
    near.n_clusters = 3  # type: ignore[attr-defined]
    assert by_clusters(table(WORLD), near).asked == 3
    assert not caplog.records
    near.n_clusters = 4  # type: ignore[attr-defined]
    assert "asked for 4 classes, made 3" in by_clusters(table(WORLD), near).made
    assert caplog.records


def test_rows_vote_by_majority_and_a_tie_goes_to_the_first_cluster() -> None:
    of = {"a": [0, 0, 1], "b": [1, 1, 0], "tied": [1, 0, 0, 1], "noisy": [2, 1]}
    plan = by_clusters(table(of), Near({0: 7, 1: 4, 2: -1}), "rows")  # type: ignore[arg-type]
    assert same_partition(plan, MergePlan({"a": "0", "b": "1", "tied": "0", "noisy": "1"}))
    assert plan.votes["a"] == "67% of rows in cluster-01, 33% of rows in cluster-02"


@given(order=st.permutations(range(10)))
def test_the_means_of_categories_say_all_that_a_plan_by_means_asks(order: list[int]) -> None:
    rows = table(WORLD).take(np.array(order))
    means = CategoryMeans.of(rows)
    assert means.label.tolist() == rows.categories
    with pytest.raises(KCEError, match="no rows that could vote"):
        by_clusters(means, Near({}), "rows")
    near = Near({0: 0, 1: 1, 2: 2})
    assert by_clusters(means, near) == by_clusters(rows, near)


def test_means_vote_by_distance() -> None:
    plan = by_clusters(table({"a": [0.0], "b": [0.4], "c": [3.0]}), Near({0: 0, 3: 1}))
    assert plan.votes["b"] == "0.2 from its centre, 2.6 from the next, cluster-02"


@pytest.mark.parametrize(
    "answer",
    [[0, 1], [[0, 1, 2, 3, 4]], [0.0, 1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3, np.nan], [0, 1, 2, 3, -2], list("abcde")],
)
def test_an_answer_that_is_not_a_clustering_is_an_error_that_names_the_clusterer(answer: object) -> None:
    with pytest.raises(KCEError, match="Fixed") as caught:
        by_clusters(table(WORLD), Fixed(answer))  # type: ignore[arg-type]
    assert caught.value.hint


def test_features_that_cannot_be_clustered() -> None:
    with pytest.raises(BadData, match="finite"):
        by_clusters(table({"a": [np.nan], "b": [1.0]}), Fixed([0, 1]))  # type: ignore[arg-type]
    with pytest.raises(BadData, match="no features to cluster"):
        by_clusters(table(WORLD).take(np.array([], int)), Fixed([]))  # type: ignore[arg-type]
    with pytest.raises(KCEError, match="no vote named 'medians'"):
        by_clusters(table(WORLD), Fixed([0] * 5), "medians")  # type: ignore[arg-type]


def test_same_partition_looks_at_members_alone() -> None:
    one = MergePlan({"a": "x", "b": "x", "c": "y"})
    assert same_partition(one, MergePlan({"c": "x", "b": "y", "a": "y"}, made="otherwise"))
    assert not same_partition(one, MergePlan({"a": "x", "b": "y", "c": "y"}))
    assert not same_partition(one, MergePlan({"a": "x", "b": "x"}))


# The file ------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(st.dictionaries(texts, st.tuples(texts.filter(str.strip), texts), min_size=1, max_size=8), texts)
def test_a_plan_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, tuple[str, str]], made: str
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    votes = {category: f"why: {vote}".strip() for category, (_, vote) in entries.items()}
    plan = MergePlan({category: name for category, (name, _) in entries.items()}, votes, made)
    write_plan(path, plan)
    back = read_plan(path)
    assert (back.classes, back.made) == (plan.classes, plan.made)
    assert back.votes.keys() == plan.votes.keys()
    write_plan(path, back)
    assert read_plan(path) == back
    assert [p.name for p in path.parent.iterdir()] == ["plan.toml"]


def test_a_number_of_classes_from_a_softmax_over_all_of_them_is_said_to_be_too_high() -> None:
    estimated = MergePlan({"a": "x", "b": "x"}, asked=4, between=(4, 4))
    (remark,) = count_remarks(estimated, "softmax")
    assert "probably too high" in remark
    assert not count_remarks(estimated, "within-dataset")
    assert not count_remarks(estimated, None)  # nothing was trained
    assert not count_remarks(replace(estimated, between=None), "softmax")  # it was given


def test_a_plan_keeps_what_was_possible(tmp_path: Path) -> None:
    plan = MergePlan({"a": "x", "b": "x"}, asked=4, between=(3, 7))
    write_plan(tmp_path / "plan.toml", plan)
    assert "between = [3, 7]" in (tmp_path / "plan.toml").read_text(encoding="utf-8")
    back = read_plan(tmp_path / "plan.toml")
    assert back == plan
    (undecidable,) = count_remarks(back, "within-dataset")
    assert "3 to 7 are possible" in undecidable
    assert not count_remarks(replace(back, edited_from="another"), "softmax")  # a person has decided


def test_a_plan_is_readable(tmp_path: Path) -> None:
    plan = by_clusters(table(WORLD), Near({0: 0, 1: 1, 2: 2}))
    write_plan(tmp_path / "plan.toml", plan)
    text = (tmp_path / "plan.toml").read_text(encoding="utf-8")
    assert 'made = "by clusters of means: Near"' in text
    assert 'a = "cluster-01" # 0 from its centre, 1 from the next, cluster-0' in text
    assert read_plan(tmp_path / "plan.toml") == plan


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '[classes]\na = "x"\n"a" = "y"\n',
            'a category is in it twice: line 4, "a" = "y"',
            "each category has one line",
        ),
        ('[classes]\na = ""\n', "no class for: 'a'", "each category has one line"),
        ("[classes]\na = 3\n", "classes.a = 3 is not a text", "a text in quotes"),
        ('[classes]\na.b = "x"\n', 'classes.a = {"b": "x"} is not a text', "a text in quotes"),
        ("[classes]\n", "no classes", "each category has one line"),
        ("made = 'x'\n", "classes is missing", "a table"),
        ("made = 3\n[classes]\n", "made = 3 is not a text", "a text in quotes"),
        ("[classes]\na = x\n", "line 3", "each category has one line"),
        ("classes = 3", "classes = 3 is not a table", "one key = value a line"),
        ("\x00", "is not a merge plan", "each category has one line"),
    ],
)
def test_a_plan_that_was_edited_badly(tmp_path: Path, text: str, message: str, hint: str) -> None:
    (tmp_path / "plan.toml").write_text(f"schema = 1\n{text}", encoding="utf-8")
    with pytest.raises(BadData) as caught:
        read_plan(tmp_path / "plan.toml")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_plan_written_by_hand_needs_no_schema_but_no_other_one_either(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('[classes]\na = "x"\n', encoding="utf-8")
    assert read_plan(tmp_path / "plan.toml").classes == {"a": "x"}
    (tmp_path / "plan.toml").write_text('schema = 2\n[classes]\na = "x"\n', encoding="utf-8")
    with pytest.raises(BadData, match="has schema 2"):
        read_plan(tmp_path / "plan.toml")


CLASSES = {"a": "x", "b": "x", "c": "y", "d": "z"}


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), min_size=4), st.booleans())
def test_only_what_belongs_together_counts_as_an_edit(
    tmp_path_factory: pytest.TempPathFactory, classes: dict[str, str], comments: bool
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    plan = MergePlan(CLASSES, {"a": "for a reason"}, "by name")
    write_plan(path, plan)
    assert not read_plan(path).edited
    top = path.read_text(encoding="utf-8").partition("[classes]")[0]
    lines = [f'  "{category}"   =   "new {name}"' for category, name in reversed(classes.items())]
    path.write_text(top + "[classes]\n" + ("\n\n# mine\n" if comments else "\n").join(lines), encoding="utf-8")
    back = read_plan(path)
    assert back.edited == (not same_partition(MergePlan(classes), plan))
    assert (back.made, plan_origin(back).made_hash) == ("by name", partition_hash(plan))
    # A copy still says so, and once the edit is undone nothing does.
    write_plan(path.with_name("copy.toml"), back)
    assert read_plan(path.with_name("copy.toml")).edited_from == back.edited_from
    write_plan(path, replace(back, classes=CLASSES))
    assert not read_plan(path).edited


def test_the_file_says_that_it_was_edited_and_keeps_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    write_plan(path, MergePlan(CLASSES, {"a": "for a reason"}, "by name"))
    made = path.read_text(encoding="utf-8")
    path.write_text(made.replace('c = "y"', 'c = "x" # I know better'), encoding="utf-8")
    mark_edit(path, read_plan(path))
    marked = path.read_text(encoding="utf-8")
    assert "\nedited = true\n" in marked
    assert "# I know better" in marked
    assert "# for a reason" in marked
    mark_edit(path, read_plan(path))
    assert path.read_text(encoding="utf-8") == marked
    path.write_text(marked.replace('c = "x" # I know better', 'c = "y"'), encoding="utf-8")
    mark_edit(path, read_plan(path))
    assert path.read_text(encoding="utf-8") == made


def test_a_plan_without_its_hash_is_not_taken_for_what_made_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('made = "by clusters"\n[classes]\na = "x"\n', encoding="utf-8")
    plan = read_plan(path)
    assert plan.edited
    assert "is not known" in describe_edit(plan.made, plan.edited_from)
    write_plan(path, plan)
    assert read_plan(path).edited_from == "unknown"
    path.write_text('[classes]\na = "x"\n', encoding="utf-8")  # written by a person, and claims nothing else
    assert not read_plan(path).edited


def test_no_plan_and_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(BadData, match=r"cannot be read|is a folder"):
            read_plan(path)
    with pytest.raises(BadData, match="is not a merge plan: it is not UTF-8 text"):
        read_plan(tmp_path / "latin.toml")


def test_check_names_all_that_does_not_fit() -> None:
    plan = MergePlan({"a_Faceswap": "x", "b": " ", "c": "x"})
    check_plan(MergePlan({"a": "x"}), ["a"])
    with pytest.raises(BadData) as caught:
        check_plan(plan, ["a_FaceSwap", "b", "c", "d"])
    for said in ("no class for a_FaceSwap", "no class for d", "a_Faceswap (perhaps a_FaceSwap)", "empty class for b"):
        assert said in caught.value.message
