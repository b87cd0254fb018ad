"""WildDeepfake."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

TOP_FOLDER = re.compile(r"(real|fake)[ _-](train|test)", re.IGNORECASE)
FRAME = re.compile(
    r"(?P<outer>[0-9]+/)?(?P<shard>[0-9]+)/(?P<truth>real|fake)/(?P<sequence>[0-9]+)/(?P<frame>[0-9]{1,9})\.[a-z]+",
    re.IGNORECASE,
)
ARCHIVES = frozenset({".gz", ".tgz", ".tar"})


class WildDeepfake(Tree):
    """WildDeepfake: 7,314 face sequences from videos of the web, as pictures of 224 x 224. No methods, no identities.

    Layout::

        real_train/1/real/131/942.png    shard, label again, sequence, frame; also in real_test, fake_train, fake_test

    The folders may also be called "real train" or real-train. A shard may be in a folder of its own
    (real_train/1/1/real/...). The numbers of shards and sequences repeat in all four folders: the group is the sequence
    with folder and shard. The numbers of frames do not start at 0. A shard unpacked outside its folder is unparsed,
    since its split is unknown; so is an archive (1.tar.gz) without its folder beside it: unpack it where it is.

    Official split: by folder, train and test. Published: 3,805 real and 3,509 fake sequences, but not the number of
    pictures per category.

    Licence: not known; ask the authors.
    Source: Zi et al. 2020, WildDeepfake: A Challenging Real-World Dataset for Deepfake Detection, ACM Multimedia.
    github.com/deepfakeinthewild/deepfake-in-the-wild
    """

    name = "WildDeepfake"
    root_names = ("deepfake_in_the_wild", "WildDeepfake", "deepfake-in-the-wild")
    root_contains = (tuple(f"{a}{blank}{b}" for b in ("train", "test") for a in ("real", "fake") for blank in "_ -"),)
    media = frozenset({".png", ".jpg", ".jpeg"}) | ARCHIVES
    licence = "not known; ask the authors"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        top = TOP_FOLDER.fullmatch(parts[0])
        if f".{parts[-1].rpartition('.')[2].lower()}" in ARCHIVES:
            if len(parts) > 1 and self.find(*parts[:-1], parts[-1].partition(".")[0]):
                return Remark("ignored", "/".join(parts), "its folder is beside it")
            raise Unparsed("an archive; unpack it where it is")
        match = FRAME.fullmatch("/".join(parts[1:]))
        if not top or not match:
            raise Unparsed("not shard/real or fake/sequence/frame below real_train, real_test, fake_train or fake_test")
        truth, split = top[1].lower(), top[2].lower()
        if match["truth"].lower() != truth:
            return Remark("conflict", "/".join(parts), f"{match['truth']} below {parts[0]}; it is left out")
        outer = "" if match["outer"] in (None, f"{match['shard']}/") else match["outer"]
        return self.sample(
            parts,
            "real" if truth == "real" else self.name,
            group=f"wilddeepfake:{truth}_{split}/{outer}{match['shard']}/{match['sequence']}",
            split=split,
            frame=int(match["frame"]),
        )


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of WildDeepfake."""
    return {"WildDeepfake": WildDeepfake}
