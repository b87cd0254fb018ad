"""DeepFakeMnist+ (DFMNIST+)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl

ACTIONS = ("blink", "embarrass", "left_slope", "mouth", "nod", "right_slope", "smile", "surpise", "up", "yaw")
EXPECTED = {"DeepFakeMnist+_FOMM": 10000, "DeepFakeMnist+_real": 10000}
SPLITS = {"selected_train": "train", "selected_val": "val", "selected_test": "test"}
REAL = re.compile(r"(id[0-9]+)#[^#]+#[0-9]+#[0-9]+")
FAKE = re.compile(r"[0-9]+")
RULE = re.compile(r"([0-9]{1,6})/([0-9]{1,6})/([0-9]{1,6})")


class DeepFakeMnist(Tree):
    """DeepFakeMnist+ (DFMNIST+): faces driven through ten small actions by FOMM, and reals of VoxCeleb1.

    Layout::

        fake_dataset/{blink,embarrass,left_slope,mouth,nod,right_slope,smile,surpise,up,yaw}/4063.mp4
        real_dataset/selected_{train,val,test}/id10001#7w0IBEWc9Qw#001298#001705.mp4    speaker#video#start#end

    The spelling surpise is the publishers'; surprise is read, too. The name of a fake is a number that says nothing:
    without groups and identities no split can keep people apart. The layout is known only from the code of others. A
    first upload of 2021 had other numbers and no reals.

    Official split: reals have that of their folder. For fakes the author gives 750 train, 150 val and 150 test for each
    action, which is 50 more than the 1000 that exist, and no order; see `fake_split`.

    Args:
        root: The dataset's root folder.
        fake_split: Numbers of fakes of each action in train, val and test, in the order of their file names, such as
            "750/150/150"; fakes beyond these have no split. Empty: fakes have no split.

    Licence: none stated; made from VoxCeleb1 and ADFES.
    Source: Huang et al. 2021, DeepFake MNIST+: A DeepFake Facial Animation Dataset, ICCV Workshops.
    github.com/huangjiadidi/DeepFakeMnist
    """

    name = "DeepFakeMnist+"
    root_names = ("DFMNIST+", "DeepFakeMnist+", "DeepFakeMnist", "dfmnist")
    root_contains = (("fake_dataset", "real_dataset"),)
    media = frozenset({".mp4"})
    licence = "none stated"
    expected = EXPECTED

    def __init__(self, root: str, fake_split: str = "") -> None:
        rule = RULE.fullmatch(fake_split)
        if fake_split and not rule:
            raise KCEError(f"fake_split = {fake_split!r} is not a split", "write it as 750/150/150: train/val/test")
        super().__init__(root)
        self.shares = dict(zip(SPLITS.values(), map(int, rule.groups()), strict=True)) if rule else {}
        self._counted: Counter[str] = Counter()  # fakes of each action so far

    def __iter__(self) -> Iterator[Sample | Remark]:
        self._counted.clear()
        for item in super().__iter__():
            if isinstance(item, Sample) and not item.real:
                yield replace(item, split=self._next_split(_action(item.key.split("/")[1])))
            else:
                yield item

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if len(parts) != 3:
            raise Unparsed("not in a folder of fake_dataset or real_dataset")
        top, folder, stem = parts[0].lower(), parts[1].lower(), parts[2].rpartition(".")[0]
        if top == "real_dataset" and folder in SPLITS:
            real = REAL.fullmatch(stem)
            if not real:
                raise Unparsed("not speaker#video#start#end")
            identities = (f"voxceleb1:{real[1]}",)
            return self.sample(parts, "real", group=f"voxceleb1:{stem}", identities=identities, split=SPLITS[folder])
        if top != "fake_dataset" or _action(folder) not in ACTIONS:
            raise Unparsed("neither in an action of fake_dataset nor in a split of real_dataset")
        if not FAKE.fullmatch(stem):
            raise Unparsed("not a number")
        return self.sample(parts, "FOMM")

    def _next_split(self, action: str) -> str:
        """The split of the next fake of an action; the walk visits them in the order of their numbers."""
        number, end = self._counted[action], 0
        self._counted[action] += 1
        for split, share in self.shares.items():
            end += share
            if number < end:
                return split
        return ""


def _action(folder: str) -> str:
    """The action of a folder of fakes, as the publishers spell it."""
    action = folder.lower()
    return "surpise" if action == "surprise" else action


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DeepFakeMnist+."""
    return {"DeepFakeMnist+": DeepFakeMnist}
