"""FakeAVCeleb."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from kce import BadData, Remark, Sample, Tree, Unparsed, hookimpl

TABLE = "meta_data.csv"
COLUMNS = {"target1", "target2", "method", "type", "path"}
METHODS = {  # as the table writes them -> as the categories are named
    "real": "real",
    "rtvc": "rtvc",
    "faceswap": "FaceSwap",
    "fsgan": "FSGAN",
    "wav2lip": "Wav2Lip",
    "fsgan-wav2lip": "fsgan-wav2lip",
    "faceswap-wav2lip": "faceswap-wav2lip",
}
TYPES = {  # folder -> the methods that may be in it
    "RealVideo-RealAudio": ("real",),
    "RealVideo-FakeAudio": ("rtvc",),
    "FakeVideo-RealAudio": ("faceswap", "fsgan", "wav2lip"),
    "FakeVideo-FakeAudio": ("wav2lip", "fsgan-wav2lip", "faceswap-wav2lip"),
}
FOLDERS = {kind.lower(): kind for kind in TYPES}
EXPECTED = {  # files; the table has 22 lines more, which name a Wav2Lip that is counted elsewhere
    "FakeAVCeleb_real": 500,
    "FakeAVCeleb_rtvc": 500,
    "FakeAVCeleb_FaceSwap": 730,
    "FakeAVCeleb_FSGAN": 3964,
    "FakeAVCeleb_Wav2Lip": 9602 - 22,
    "FakeAVCeleb_fsgan-wav2lip": 3553,
    "FakeAVCeleb_faceswap-wav2lip": 2717,
}
PERSON = re.compile(r"id[0-9]+")
DONOR = re.compile(r"id[0-9]{5}")  # in a name, where parts of YouTube ids stand beside them
CLIP = re.compile(r"([0-9]+)(?:_.+)?")


class FakeAVCeleb(Tree):
    """FakeAVCeleb v1.2: clips of VoxCeleb2, with the face forged, the voice, or both.

    The tree:  meta_data.csv
               RealVideo-RealAudio/African/men/id00076/00109.mp4
               RealVideo-FakeAudio/Caucasian (European)/men/id00225/00078_fake.mp4
               FakeVideo-RealAudio/Caucasian (European)/women/id00491/00122_id01002_eQTviHjyISo.mp4
               FakeVideo-FakeAudio/African/men/id00987/00160_id04727_wavtolip.mp4
    Categories: Wav2Lip, FSGAN and FaceSwap are single methods of the face, with or without a forged voice.
    fsgan-wav2lip and faceswap-wav2lip are two of them one after the other, categories of their own. So is rtvc, which
    forges the voice alone (RealVideo-FakeAudio): it is labelled fake, as its publishers have it, but every pixel of it
    is real. Leave FakeAVCeleb_rtvc out of whatever looks at pictures only.
    The method is that of meta_data.csv, since names do not say it; a forged face it does not name is not read. What is
    real and what is rtvc the folder says. A line whose method cannot be in its folder is a conflict, and is not
    believed. 22 files are listed twice, as wav2lip and as faceswap-wav2lip: conflicts, counted as faceswap-wav2lip, so
    that nothing in doubt is taken for Wav2Lip. Of two other methods for one file the first is kept.
    The group is the clip on screen (voxceleb2:id00076/00109); the first identity is the person on screen, the others
    are donors of face or voice. There is no official split. Versions 1.0 and 1.1 had other names.

    Licence: EULA, by request form.
    Source: Khalid et al. 2021, FakeAVCeleb: A Novel Audio-Video Multimodal Deepfake Dataset, NeurIPS Datasets and
    Benchmarks. github.com/DASH-Lab/FakeAVCeleb
    """

    name = "FakeAVCeleb"
    root_names = ("FakeAVCeleb_v1.2", "FakeAVCeleb", "FakeAVCeleb-v1_2")
    root_contains = (tuple(TYPES),)
    media = frozenset({".mp4"})
    licence = "EULA, by request form"
    expected = EXPECTED

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.table: dict[str, tuple[str, tuple[str, ...]]] = {}  # key -> method as written, donors

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        kind, person, clip = _place(parts)
        method, donors = self.table.get("/".join(parts), (_by_folder(kind), ()))
        if not method:
            raise Unparsed(f"no line of {TABLE} says by which method it was made")
        if self.table and "/".join(parts) not in self.table:
            self.add_remark("extra", parts, f"no line of {TABLE} names it")
        named = filter(DONOR.fullmatch, parts[-1].rpartition(".")[0].split("_"))
        people = dict.fromkeys((person, *donors, *named))
        return self.sample(
            parts,
            METHODS[method],
            group=f"voxceleb2:{person}/{clip}",
            identities=tuple(f"voxceleb2:{one}" for one in people),
        )

    def read_lists(self) -> Iterator[Remark]:
        self.table.clear()
        file = self.find(TABLE)
        if not file:
            yield Remark("missing", TABLE, "the methods of the fakes stand in it")
            return
        lines = self.read_lines(file)
        header = _fields(next(lines, (1, ""))[1])
        if lacking := COLUMNS - set(header):
            raise BadData(f"{file} has no columns {', '.join(sorted(lacking))}", "take it from the release again")
        for number, line in lines:
            where = f"line {number} of {TABLE}"
            try:
                yield from self._line(_fields(line), header, where)
            except Unparsed as error:
                yield Remark("conflict", line[:200], f"{where}: {error}")

    def _line(self, row: list[str], header: list[str], where: str) -> Iterator[Remark]:
        name = header.index("path")  # the name alone: its folder stands in the next column, which has no name
        if len(row) < name + 2:
            raise Unparsed(f"{len(row)} columns")
        parts = self.listed_parts(f"{row[name + 1]}/{row[name]}")
        top = next((place for place, part in enumerate(parts) if part.lower() in FOLDERS), len(parts))
        parts = parts[top:]  # the folder FakeAVCeleb/ above is not on disk
        kind = _place(parts)[0]
        key, there, method = "/".join(parts), self.find_exact(parts), row[header.index("method")]
        if not there:
            yield Remark("missing", key, f"named in {where}")
        if row[header.index("type")] != kind:
            yield Remark("conflict", key, f"{where} says {row[header.index('type')]}; the folder is kept")
        if method not in TYPES[kind]:
            yield Remark("conflict", key, f"{where} says {method}, which is not in {kind}; it is not believed")
            method = _by_folder(kind)
        targets = [row[header.index(target)] for target in ("target1", "target2")]  # or -, or a piece of a name
        donors = tuple(target for target in targets if PERSON.fullmatch(target))
        known, _ = self.table.setdefault(key, (method, donors))
        if known != method:
            kept = max((known, method), key=lambda one: "-" in one)
            yield Remark("conflict", key, f"{where} says {method}, another line {known}; {kept} is kept")
            self.table[key] = (kept, self.table[key][1])


def _fields(line: str) -> list[str]:
    """One line at a time: a quote that is not closed spoils no other."""
    return next(csv.reader([line]), [])


def _place(parts: tuple[str, ...]) -> tuple[str, str, str]:
    """The kind of forgery by its folder, the person on screen, and the clip."""
    clip = CLIP.fullmatch(parts[-1].rpartition(".")[0]) if parts else None
    if len(parts) != 5 or parts[0].lower() not in FOLDERS or not PERSON.fullmatch(parts[3]):
        raise Unparsed("not below a kind, a race, a gender and a person")
    if not clip:
        raise Unparsed("the name does not begin with the number of a clip")
    return FOLDERS[parts[0].lower()], parts[3], clip[1]


def _by_folder(kind: str) -> str:
    """The method, where the folder can say it."""
    return TYPES[kind][0] if len(TYPES[kind]) == 1 else ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"FakeAVCeleb": FakeAVCeleb}
