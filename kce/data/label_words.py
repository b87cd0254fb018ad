"""What a name says about the label: the words of this field for real, fake and split, wherever names are read.

The names are those of folders and files, the labels and methods of tables, and the keys of JSON files. A name that can
be read in two ways is never decided here: ``NameReading.doubt`` says why, and whoever reads the name asks the user.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from kce.data.names import fold_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


REAL = _words(
    "real reals original originals orig pristine genuine authentic bonafide live nature untouched unaltered "
    "unmodified unmanipulated unforged untampered nonmanipulated echt vrai vrais réel réels reales "
    "원본 원본영상 真 真实 真人 本物"
)
FAKE = _words(
    "fake fakes faked forged forgery forgeries manipulated manipulation manipulations synthesis synthesized "
    "synthesised synthetic synthetics synth attack attacks spoof spoofs spoofed spoofing altered tampered doctored "
    "falsified counterfeit inversion inversions generated ai faux falso falsos gefälscht 변조 변조영상 假 伪造 偽物"
)
TOPIC = _words("deepfake deepfakes")  # a fake where a label is due; in a path, a method, or what a dataset is about
SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "devel", "development", "valset"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "testset"), "test"),
}
JUNK = _words(
    "image images img imgs picture pictures pic pics photo photos photograph photographs frame frames video videos "
    "vid vids movie movies clip clips face faces facial crop crops cropped aligned align data dataset datasets "
    "database raw c0 c23 c40 hq lq hd png jpg jpeg bmp mp4 avi mov sequence sequences seq seqs set sets folder "
    "folders file files sample samples all part parts split splits subset class label labels selected extracted "
    "resized processed preprocessed public private release final full media content downloaded download archive rgb "
    "people person persons"
)
SOURCES = _words(  # datasets, and collections of real people that datasets take their reals from
    "youtube actors celeb celebs celebrity celebrities celeba celebahq celebamask celebamaskhq ffhq voxceleb "
    "voxceleb1 voxceleb2 vox vggface vggface2 lfw casia webface imdb vidtimit ravdess crema avspeech mscoco laion "
    "flickr faceforensics ff ffpp celebdf celebdfv1 celebdfv2 celebdfv3 cdf cdfv2 cdfv3 dfdc dfdcp dfd uadfv kodf "
    "wilddeepfake forgerynet deeperforensics fakeavceleb deepfaketimit dftimit df40 diff dffd ffiw ffiw10k dfplatter "
    "openforensics genimage"
)
_SOURCE_NAMES = _words("celebahq celebamaskhq celebdf celebdfv1 celebdfv2 celebdfv3 faceforensics deepfakedetection")
METHODS = _words(
    "deepfakes deepfake face2face f2f faceswap neuraltextures faceshifter fsgan simswap infoswap megafs hififace dfl "
    "deepfacelab deepfacelive blendface mobileswap uniface e4s facedancer inswap inswapper ghost roop fomm "
    "firstordermotion wav2lip sadtalker mcnet dagan danet tpsm tpsmm lia pirender hyperreenact facevid2vid "
    "liveportrait mraa fsrt anitalker echomimic edtalk float iplap real3dportrait talkinghead atvgnet stargan "
    "stargan2 starganv2 stylegan stylegan2 stylegan3 styleganxl progan pggan vqgan ddim ddpm ldm rddm pixart dit sit "
    "dalle dalle2 dalle3 sd sd21 sd15 sdxl stablediffusion midjourney styleclip collabdiff e4e heygen maskgan scfegan "
    "discofacegan mmreplacement fakeapp faceapp print printed replay display screen cutout mask3d papermask makeup "
    "morph morphing"
)
_LOOKALIKES = _words(  # they contain a word for reals, and say nothing about the label
    "surreal unreal hyperreal photoreal realistic photorealistic hyperrealistic unrealistic realism reality realtime "
    "realize realised realized really realm montreal cereal ethereal realesrgan realsr realnvp realbasicvsr realvis "
    "realvisxl real3dportrait originality aboriginal liveportrait deepfacelive deeplivecam deeplive inauthentic"
)
_QUALIFIERS = _words(  # a word for reals or fakes after one of these may mean its opposite, or something else
    "hyper photo ultra semi sur un non not no near almost super pseudo quasi virtual more less to too so as like look "
    "looking than versus vs is isnt or without half partly re in over under anti"
)
_DERIVED = _words("from of by")
_RECORDINGS = _words("video vid clip seq sequence person subject scene id")

_CHUNKS = re.compile(r"[^\W_]+")
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\WA-Z\d_]+|[A-Z]+|\d+")
_HIDDEN = re.compile(r"^(?:real|original|genuine|pristine|authentic|bonafide)|(?:real|reals|original|originals|genuine|"
                     r"pristine|authentic|bonafide)$|^(?:non?|not|un)(?:fake|forged|manipulated|real)")  # fmt: skip
_ID = re.compile(r"\d+|[a-z]{1,3}\d+|(?=[a-f]*\d)[0-9a-f]{8,}")
_HINTS_OF_METHODS = re.compile(r"[A-Z]GAN\d*$|(?i:swap|diffusion|reenact|morph)")


class NameReading(NamedTuple):
    """What a name says about the label.

    Attributes:
        truth: Whether it is that of reals (True) or of forgeries (False); None = it does not say.
        split: "train", "val", "test", or empty.
        general: Whether it has words for labels, splits, media and numbers alone, and so names no dataset or method. A
            word for forgeries with a number (fake1) does: there may be several.
        stem: Where it ends in words for reals or fakes, what is before them: "DFD" of DFD_original_sequences.
        doubt: Why it may be that of reals or of forgeries; empty = no doubt.
        both: Whether it has words for both: real_vs_fake.
        method: Whether it is the name of a known forgery method.
        source: Whether it is the name of a known dataset, or of a collection of real people.
        topic: Whether it says no more than that deepfakes are in it: deepfake_database.
        id: Whether it looks like the number of a recording: 000_003, id0_id16_0000.

    Example:
        >>> read_name("DFD_original_sequences").truth, read_name("Fake Images").truth, read_name("surreal").truth
        (True, False, None)
        >>> read_name("real2fake").doubt
        'it may mean reals or forgeries'
    """

    truth: bool | None = None
    split: str = ""
    general: bool = False
    stem: str = ""
    doubt: str = ""
    both: bool = False
    method: bool = False
    source: bool = False
    topic: bool = False
    id: bool = False


class _Word(NamedTuple):
    text: str
    kind: str  # real, fake, topic, split, junk, number, source, qualifier, derived, hidden or plain
    start: int
    glued: bool  # no separator before it


def read_name(name: str) -> NameReading:
    """Read a name: of a folder or file without its suffix, a label, a method or a key.

    Upper and lower case, separators, CamelCase, plurals and numbers do not count.

    Example:
        >>> read_name("training_real")[:3]
        (True, 'train', True)
        >>> read_name("Celeb-real").stem
        'Celeb'
        >>> read_name("RealESRGAN").truth, read_name("Real_World").doubt
        (None, 'it contains a word for reals, and more')
    """
    return _read_name(name)


@lru_cache(maxsize=2**14)
def _read_name(name: str) -> NameReading:
    words = _split_words(name)
    joined = "".join(word.text for word in words)
    chunks = _CHUNKS.findall(name)
    says_nothing = not {"real", "fake", "hidden"} & _kinds(words)
    hinted = (
        len(chunks) == 1 and bool(_HINTS_OF_METHODS.search(name)) and not {"real", "fake", "hidden"} & _kinds(words)
    )
    facts = NameReading(
        split=_split_of(words),
        general=bool(words)
        and all(word.kind in ("real", "fake", "split", "junk", "number") for word in words)
        and any(word.kind != "number" for word in words),
        method=joined in METHODS or hinted,
        source=joined in SOURCES | _SOURCE_NAMES
        or ("source" in _kinds(words) and _kinds(words) <= {"source", "number"}),
        topic={"topic", "junk"} <= _kinds(words) <= {"topic", "junk", "number"},
        id=joined not in METHODS and any(c.isdigit() for c in name) and all(map(_is_id, chunks)),
    )
    if facts.id and words[0].text in _RECORDINGS:
        facts = facts._replace(general=False)  # video12 is the name of a recording
    return facts if says_nothing or joined in METHODS else _with_truth(facts, name, words)


def read_label(text: str) -> bool | None:
    """Whether a label of a table is that of reals (True) or of forgeries (False); None if it does not say.

    Example:
        >>> read_label("REAL"), read_label("spoof"), read_label("deepfake"), read_label("FaceSwap"), read_label("1")
        (True, False, False, None, None)
    """
    reading = read_name(text)
    if reading.truth is None and not reading.doubt and "topic" in _kinds(_split_words(text)):
        return False
    return reading.truth


def _with_truth(facts: NameReading, name: str, words: list[_Word]) -> NameReading:
    kinds = _kinds(words)
    if "hidden" in kinds:
        return facts._replace(doubt="it may mean reals or forgeries")
    if {"real", "fake"} <= kinds:
        if words[0].kind == "fake" and words[1].kind == "derived":
            return facts._replace(truth=False)  # Fake_from_Celeb-real
        return facts._replace(doubt="it contains words for reals and for forgeries", both=True)
    real = "real" in kinds
    if _qualified(words):
        return facts._replace(doubt=_and_more(real))
    if facts.general:
        letter = words[0].text.isalpha() and words[0].kind == "number" and len(words) > 1 and not words[1].glued
        stem = name[words[0].start] if letter else ""  # A_real
        return facts._replace(truth=real, stem=stem, general=real or not _numbered(words))
    return _with_other_words(facts, name, words, real)


def _with_other_words(facts: NameReading, name: str, words: list[_Word], real: bool) -> NameReading:
    """The reading of a name with words for reals, or for forgeries, and words of no meaning here."""
    first = len(words)
    while first and words[first - 1].kind in ("real", "fake", "split", "junk", "number"):
        first -= 1
    ending = [n for n in range(first, len(words)) if words[n].kind in ("real", "fake", "split", "junk")]
    if any(words[n].kind in ("real", "fake") for n in ending) and not words[ending[0]].glued:
        stem = name[: words[ending[0]].start].rstrip(" _-.")
        literal = any(word.text in ("real", "reals") for word in words)
        if real and not literal and read_name(stem).method:
            return facts._replace(doubt=_and_more(real))  # FaceSwap_original: its reals, or its first version
        return facts._replace(truth=real, stem=stem)
    starts = words[0].kind in ("real", "fake") and not words[1].glued
    others = {word.kind for word in words[1:]}
    if starts and (not real or others <= {"source", "number", "split", "junk"} or words[1].kind == "derived"):
        return facts._replace(truth=real)  # real_CelebDF, fake_FaceSwap, reals_of_FF
    return facts._replace(doubt=_and_more(real)) if real else facts  # FakeAVCeleb is the name of a dataset


def _and_more(real: bool) -> str:
    return f"it contains a word for {'reals' if real else 'forgeries'}, and more"


def _numbered(words: list[_Word]) -> bool:
    """Whether the word for forgeries has a number or letter, which tells it from others: fakeA and fakeB are two."""
    return any(word.kind == "fake" and after.kind == "number" for word, after in pairwise(words))


def _qualified(words: list[_Word]) -> bool:
    return any(word.kind in ("real", "fake") and before.text in _QUALIFIERS for before, word in pairwise(words))


def _split_words(name: str) -> list[_Word]:
    words: list[_Word] = []
    for chunk in _CHUNKS.finditer(name):
        words += _words_of_chunk(chunk[0], chunk.start())
    for n in range(len(words) - 1, 0, -1):
        before, word = words[n - 1 : n + 1]
        if (before.text, word.text) in (("bona", "fide"), ("deep", "fake"), ("deep", "fakes")):
            both = before.text + word.text
            words[n - 1 : n + 1] = [_Word(both, _kind(both), before.start, before.glued)]
    return words


def _words_of_chunk(chunk: str, start: int) -> list[_Word]:
    """The words of what stands between separators: one of the vocabulary, or several by case, numbers or vocabulary."""
    folded = fold_name(chunk)
    if _kind(folded) != "plain" or folded in METHODS:
        return [_Word(folded, _kind(folded), start, False)]
    pieces = list(_PIECES.finditer(chunk))
    texts = [fold_name(piece[0]) for piece in pieces]
    numbers = [n for n, text in enumerate(texts) if text.isdigit()]
    if "".join(texts) == folded and len(texts) > 1 and (not numbers or numbers == [len(texts) - 1]):
        return [
            word
            for number, (piece, text) in enumerate(zip(pieces, texts, strict=True))
            for word in _segmented(text, start + piece.start(), number > 0)
        ]
    return _segmented(folded, start, False)


def _segmented(text: str, start: int, glued: bool) -> list[_Word]:
    """A text as words of the vocabulary that were written together (realvideos), or as one word."""
    kind = _kind(text)
    if kind == "plain" and len(text) < 40:
        for cut in range(3, len(text) - 2):
            if text[:cut] in _WRITTEN_TOGETHER and text[cut:] in _WRITTEN_TOGETHER:
                return [
                    _Word(text[:cut], _kind(text[:cut]), start, glued),
                    _Word(text[cut:], _kind(text[cut:]), start + cut, True),
                ]
        if _HIDDEN.search(text):
            kind = "hidden"
    return [_Word(text, kind, start, glued)]


_KINDS = {
    **dict.fromkeys(_LOOKALIKES, "lookalike"),
    **dict.fromkeys(_QUALIFIERS, "qualifier"),
    **dict.fromkeys(_DERIVED, "derived"),
    **dict.fromkeys(SOURCES, "source"),
    **dict.fromkeys(JUNK, "junk"),
    **dict.fromkeys(SPLITS, "split"),
    **dict.fromkeys(TOPIC, "topic"),
    **dict.fromkeys(FAKE, "fake"),
    **dict.fromkeys(REAL, "real"),
}
_WRITTEN_TOGETHER = REAL | FAKE | JUNK | SPLITS.keys()


def _kind(text: str) -> str:
    if text.isdigit() or (len(text) == 1 and text.isascii()):
        return "number"
    return _KINDS.get(text, "plain")


def _kinds(words: list[_Word]) -> set[str]:
    return {word.kind for word in words}


def _split_of(words: list[_Word]) -> str:
    found = {SPLITS[word.text] for word in words if word.kind == "split"}
    return found.pop() if len(found) == 1 else ""


def _is_id(chunk: str) -> bool:
    folded = fold_name(chunk)
    return bool(_ID.fullmatch(folded)) or folded.rstrip("0123456789") in JUNK | _RECORDINGS or len(folded) == 1
