"""DiFF (Diffusion Facial Forgery)."""

from __future__ import annotations

from kce import Remark, Sample, Tree, Unparsed, hookimpl

CONDITIONS = {"t2i": "T2I", "i2i": "I2I", "fs": "FS", "fe": "FE"}
SPLITS = ("train", "val", "test")
REALS = "diff_real"


class DiFF(Tree):
    """DiFF: over 500,000 pictures made by 13 diffusion methods under four conditions.

    Layout, which the publishers document only down to these folders::

        DiFF_real/{train,val,test}/...                    reals, by a form of their own
        {train,val,test}/{T2I,I2I,FS,FE}/<method>/...     text to image, image to image, face swap, face edit

    The condition is the method: the names of the folders of the 13 methods are not known, so these are read and not
    distinguished. The split is that of the folder; other folders are unparsed. Neither identities nor groups are known.

    Licence: not stated; the real pictures by form.
    Source: Cheng et al. 2024, Diffusion Facial Forgery Detection, ACM Multimedia. github.com/xaCheng1996/DiFF
    """

    name = "DiFF"
    root_names = ("DiFF",)
    root_contains = (("DiFF_real",), SPLITS)
    media = Tree.pictures
    method_count = 4
    licence = "not stated; the real pictures by form"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        first, second = [part.lower() for part in (*parts[:-1], "", "")[:2]]
        if first == REALS and second in SPLITS:
            return self.sample(parts, "real", split=second)
        if first in SPLITS and second in CONDITIONS:
            return self.sample(parts, CONDITIONS[second], split=first)
        raise Unparsed(f"neither in DiFF_real/<split> nor in <split>/<{', '.join(CONDITIONS.values())}>")


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DiFF."""
    return {"DiFF": DiFF}
