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
EXPECTED = {  # files; the table has 22 more lines, with a Wav2Lip that counts as another category
    "FakeAVCeleb_real": 500,
    "FakeAVCeleb_rtvc": 500,
    "FakeAVCeleb_FaceSwap": 730,
    "FakeAVCeleb_FSGAN": 3964,
    "FakeAVCeleb_Wav2Lip": 9602 - 22,
    "FakeAVCeleb_fsgan-wav2lip": 3553,
    "FakeAVCeleb_faceswap-wav2lip": 2717,
}
PERSON = re.compile(r"id[0-9]+")
DONOR = re.compile(r"id[0-9]{5}")  # in a file name, which may also contain parts of YouTube ids
CLIP = re.compile(r"([0-9]+)(?:_.+)?")


class FakeAVCeleb(Tree):
    """FakeAVCeleb v1.2: clips of VoxCeleb2 with a forged face, a forged voice, or both.

    Layout::

        meta_data.csv
        RealVideo-RealAudio/African/men/id00076/00109.mp4
        RealVideo-FakeAudio/Caucasian (European)/men/id00225/00078_fake.mp4
        FakeVideo-RealAudio/Caucasian (European)/women/id00491/00122_id01002_eQTviHjyISo.mp4
        FakeVideo-FakeAudio/African/men/id00987/00160_id04727_wavtolip.mp4

    Categories: Wav2Lip, FSGAN and FaceSwap are single methods for the face, with or without a forged voice.
    fsgan-wav2lip and faceswap-wav2lip are two methods applied one after the other, and categories of their own. So is
    rtvc, which forges only the voice (RealVideo-FakeAudio): it is labelled fake, as its publishers have it, but all its
    pixels are real. Exclude FakeAVCeleb_rtvc from work on pictures.

    The method is that of meta_data.csv, since file names do not tell it; a forged face that the table does not name is
    unparsed. Reals and rtvc are known by their folders. A line whose method cannot be in its folder is a conflict, and
    is disregarded. 22 files are listed twice, as wav2lip and as faceswap-wav2lip: conflicts, counted as
    faceswap-wav2lip, so that nothing doubtful counts as Wav2Lip. Of two other methods for one file the first is kept.
    The group is the clip on screen (voxceleb2:id00076/00109); the first identity is the person on screen, the others
    are donors of face or voice. There is no official split. Versions 1.0 and 1.1 had other file names.

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
        self.table: dict[str, tuple[str, tuple[str, ...]]] = {}  # key -> method as the table writes it, donors

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        kind, person, clip = _kind_person_clip(parts)
        method, donors = self.table.get("/".join(parts), (_by_folder(kind), ()))
        if not method:
            raise Unparsed(f"no line of {TABLE} gives its method")
        if self.table and "/".join(parts) not in self.table:
            self.add_remark("extra", parts, f"not named in {TABLE}")
        named = filter(DONOR.fullmatch, parts[-1].rpartition(".")[0].split("_"))
        people = dict.fromkeys((person, *donors, *named))
        return self.sample(
            parts,
            METHODS[method],
            group=f"voxceleb2:{person}/{clip}",
            identities=tuple(f"voxceleb2:{name}" for name in people),
        )

    def read_lists(self) -> Iterator[Remark]:
        """Read the methods from meta_data.csv."""
        self.table.clear()
        file = self.find(TABLE)
        if not file:
            yield Remark("missing", TABLE, "it contains the methods of the fakes")
            return
        lines = self.read_lines(file)
        header = _fields(next(lines, (1, ""))[1])
        if missing := COLUMNS - set(header):
            raise BadData(f"{file} has no columns {', '.join(sorted(missing))}", "get the file of the release again")
        for number, line in lines:
            where = f"line {number} of {TABLE}"
            try:
                yield from self._read_line(_fields(line), header, where)
            except Unparsed as error:
                yield Remark("conflict", line[:200], f"{where}: {error}")

    def _read_line(self, row: list[str], header: list[str], where: str) -> Iterator[Remark]:
        name = header.index("path")  # only the name: its folder is in the next column, which has no header
        if len(row) < name + 2:
            raise Unparsed(f"{len(row)} columns")
        parts = self.listed_parts(f"{row[name + 1]}/{row[name]}")
        top = next((level for level, part in enumerate(parts) if part.lower() in FOLDERS), len(parts))
        parts = parts[top:]  # without the folder FakeAVCeleb/ above, which is not on disk
        kind = _kind_person_clip(parts)[0]
        key, exists, method = "/".join(parts), self.find_exact(parts), row[header.index("method")]
        if not exists:
            yield Remark("missing", key, f"named in {where}")
        if row[header.index("type")] != kind:
            yield Remark("conflict", key, f"{where} says {row[header.index('type')]}, unlike its folder, which decides")
        if method not in TYPES[kind]:
            yield Remark("conflict", key, f"{where} says {method}, which cannot be in {kind}; it is disregarded")
            method = _by_folder(kind)
        targets = [row[header.index(target)] for target in ("target1", "target2")]  # or "-", or part of a name
        donors = tuple(target for target in targets if PERSON.fullmatch(target))
        first, _ = self.table.setdefault(key, (method, donors))
        if first != method:
            kept = max((first, method), key=lambda name: "-" in name)
            yield Remark("conflict", key, f"{where} says {method}, another line {first}; {kept} is kept")
            self.table[key] = (kept, self.table[key][1])


def _fields(line: str) -> list[str]:
    """The fields of one line: read alone, so that an unclosed quote does not spoil other lines."""
    return next(csv.reader([line]), [])


def _kind_person_clip(parts: tuple[str, ...]) -> tuple[str, str, str]:
    """The kind of forgery (the folder), the person on screen, and the clip."""
    clip = CLIP.fullmatch(parts[-1].rpartition(".")[0]) if parts else None
    if len(parts) != 5 or parts[0].lower() not in FOLDERS or not PERSON.fullmatch(parts[3]):
        raise Unparsed("not in folders of a kind, a race, a gender and a person")
    if not clip:
        raise Unparsed("the name does not begin with the number of a clip")
    return FOLDERS[parts[0].lower()], parts[3], clip[1]


def _by_folder(kind: str) -> str:
    """The method, if the folder has only one; else empty."""
    return TYPES[kind][0] if len(TYPES[kind]) == 1 else ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of FakeAVCeleb."""
    return {"FakeAVCeleb": FakeAVCeleb}
