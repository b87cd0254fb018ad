"""WildDeepfake."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

HALVES = re.compile(r"(real|fake)[ _-](train|test)", re.IGNORECASE)
FRAME = re.compile(
    r"(?P<outer>[0-9]+/)?(?P<shard>[0-9]+)/(?P<truth>real|fake)/(?P<sequence>[0-9]+)/(?P<frame>[0-9]{1,9})\.[a-z]+",
    re.IGNORECASE,
)
PACKED = frozenset({".gz", ".tgz", ".tar"})


class WildDeepfake(Tree):
    """WildDeepfake: 7,314 face sequences cut from videos of the web, as pictures of 224 x 224. No methods, no people.

    The tree:  real_train/1/real/131/942.png     (shard, truth again, sequence, frame)
               and the same in real_test, fake_train, fake_test; also written "real train" and real-train
    A shard may lie in a folder of its own, as some unpack it (real_train/1/1/real/...). Shard and sequence numbers
    repeat in all four folders: the group is the sequence with folder and shard. Numbers of frames do not start at 0.
    A shard that was unpacked elsewhere than below its folder is unparsed, since it cannot be known what part of the
    split it is; so is an archive (1.tar.gz) without its folder beside it: unpack it where it lies.
    Official split: by folder, train and test. Published: 3,805 real sequences and 3,509 fake ones; the number of
    pictures per category is not.

    Licence: not known; ask the authors.
    Source: Zi et al. 2020, WildDeepfake: A Challenging Real-World Dataset for Deepfake Detection, ACM Multimedia.
    github.com/deepfakeinthewild/deepfake-in-the-wild
    """

    name = "WildDeepfake"
    root_names = ("deepfake_in_the_wild", "WildDeepfake", "deepfake-in-the-wild")
    root_contains = (tuple(f"{a}{blank}{b}" for b in ("train", "test") for a in ("real", "fake") for blank in "_ -"),)
    media = frozenset({".png", ".jpg", ".jpeg"}) | PACKED
    licence = "not known; ask the authors"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        half = HALVES.fullmatch(parts[0])
        if f".{parts[-1].rpartition('.')[2].lower()}" in PACKED:
            if len(parts) > 1 and self.find(*parts[:-1], parts[-1].partition(".")[0]):
                return Remark("ignored", "/".join(parts), "its folder is beside it")
            raise Unparsed("still packed; unpack it where it lies")
        found = FRAME.fullmatch("/".join(parts[1:]))
        if not half or not found:
            raise Unparsed("not shard/real or fake/sequence/frame below real_train, real_test, fake_train or fake_test")
        truth, split = half[1].lower(), half[2].lower()
        if found["truth"].lower() != truth:
            return Remark("conflict", "/".join(parts), f"{found['truth']} below {parts[0]}; neither is believed")
        outer = "" if found["outer"] in (None, f"{found['shard']}/") else found["outer"]
        return self.sample(
            parts,
            "real" if truth == "real" else self.name,
            group=f"wilddeepfake:{truth}_{split}/{outer}{found['shard']}/{found['sequence']}",
            split=split,
            frame=int(found["frame"]),
        )


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"WildDeepfake": WildDeepfake}
