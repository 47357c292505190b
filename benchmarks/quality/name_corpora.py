"""Reads sentences with marked names from the shared corpora, and counts the names that a finder finds."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from services.entities.names.base import NameFinder, NameType

TYPES: Mapping[str, NameType] = {"PER": "PER", "ORG": "ORG", "LOC": "LOC", "GPE_LOC": "LOC", "GPE_ORG": "LOC"}
"""Our type for each type of a corpus. The two kinds of states in NorNE are places.

Other types (MISC, OTH, derived words, products) are not names.
"""
NORNE_TAG = re.compile(r"name=([A-Z_-]+)")
NO_SPACE_BEFORE, NO_SPACE_AFTER = frozenset(",.;:!?)]}%»”’"), ("(", "[", "«", "“", "„")
_DE = "o a os as ele ela eles elas este esta estes estas esse essa esses essas isso isto aquele aquela aqueles aquelas"
_IN = f"{_DE} um uma uns umas"
CONTRACTIONS = {
    **{("de", word): "d" + word for word in _DE.split()},
    **{("em", word): "n" + word for word in _IN.split()},
    **{("por", word): "pel" + word for word in ("o", "a", "os", "as")},
    **{("a", word): joined for word, joined in (("o", "ao"), ("os", "aos"), ("a", "à"), ("as", "às"))},
}
"""Words that Portuguese corpora split and normal text joins."""


class Gold(NamedTuple):
    """A name that a corpus marks at code points [start, end)."""

    start: int
    end: int
    type: NameType


class Sentence(NamedTuple):
    """A sentence as text with its names in order."""

    language: str
    text: str
    names: tuple[Gold, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """An archive, the columns of token and tag in a line, and the use of its files."""

    archive: str
    language: str
    title: str
    licence: str
    train: tuple[str, ...]
    test: tuple[str, ...] = ()
    word: int = 1
    tag: int = 2


def _uner(archive: str, treebank: str, title: str, train: Sequence[str], test: Sequence[str]) -> Corpus:
    stem = f"{archive}/{treebank}-ud-"
    files = [tuple(f"{stem}{split}.iob2" for split in splits) for splits in (train, test)]
    return Corpus(archive, treebank[:2], f"Universal NER v1/v2, {title}", "CC BY-SA 4.0", files[0], files[1])


CORPORA = (
    _uner("uner-da-ddt", "da_ddt", "Danish DDT", ("train", "dev"), ("test",)),
    _uner("uner-en-ewt", "en_ewt", "English EWT", ("dev", "test"), ()),
    _uner("uner-hr-set", "hr_set", "Croatian SET", ("train", "dev"), ("test",)),
    _uner("uner-pt-bosque", "pt_bosque", "Portuguese Bosque", ("train", "dev"), ("test",)),
    _uner("uner-sk-snk", "sk_snk", "Slovak SNK", ("train", "dev"), ("test",)),
    _uner("uner-sr-set", "sr_set", "Serbian SET", ("train", "dev"), ("test",)),
    _uner("uner-sv-talbanken", "sv_talbanken", "Swedish Talbanken", ("train", "dev"), ("test",)),
    _uner("uner-zh-gsd", "zh_gsd", "Chinese GSD", ("train", "dev"), ()),
    _uner("uner-zh-gsdsimp", "zh_gsdsimp", "Chinese GSDSIMP", ("train", "dev"), ("test",)),
    Corpus(
        *("germeval14", "de", "GermEval 2014 Named Entity Recognition (Benikova et al. 2014)", "CC BY 4.0"),
        train=("germeval14/NER-de-dev.tsv", "germeval14/NER-de-test.tsv"),
    ),
    Corpus(
        *("sv-webbnyheter", "sv", "Webbnyheter 2012, Språkbanken, marked by A. Klintberg", "CC BY 4.0"),
        train=("sv-webbnyheter/train_corpus.txt",),
        test=("sv-webbnyheter/test_corpus.txt",),
        word=0,
        tag=1,
    ),
    Corpus(
        *("norne", "no", "NorNE (Jørgensen et al. 2020) over the Norwegian Dependency Treebank", "CC BY 4.0"),
        train=("norne/no_bokmaal-ud-dev.conllu", "norne/no_nynorsk-ud-dev.conllu"),
        test=("norne/no_bokmaal-ud-test.conllu",),
        tag=9,
    ),
    Corpus(
        *("wikigold", "en", "Wikigold (Balasuriya et al. 2009)", "CC BY 4.0"),
        train=("wikigold/wikigold.conll.txt",),
        word=0,
        tag=1,
    ),
    Corpus(
        *("btc", "en", "Broad Twitter Corpus (Derczynski et al. 2016)", "CC BY 4.0"),
        train=tuple(f"btc/{segment}.conll" for segment in "abefgh"),
        word=0,
        tag=1,
    ),
)
PUD = {language: f"ner/pud/{language}_pud-ud-test.iob2" for language in ("en", "de")}
"""Universal NER, Parallel UD. It is used for measurements and never for training."""


def read_corpus(folder: Path, corpus: Corpus) -> dict[str, list[Sentence]]:
    """The sentences of every listed file, by the name of the file in the archive."""
    with tarfile.open(folder / f"{corpus.archive}.tar.xz") as archive:
        return {
            name: list(parse_sentences(_member(archive, name), corpus.language, corpus.word, corpus.tag))
            for name in (*corpus.train, *corpus.test)
        }


def _member(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"names: {name} is no file in {archive.name!r}")
    return file.read().decode("utf8")


def read_pud(data: Path, language: str) -> list[Sentence]:
    """The 1,000 sentences of PUD in one language."""
    return list(parse_sentences((data / PUD[language]).read_text(encoding="utf8"), language, 1, 2))


def parse_sentences(text: str, language: str, word: int, tag: int) -> Iterator[Sentence]:
    """The sentences of a file with one token per line and empty lines between sentences.

    `word` and `tag` are the columns of word and tag.
    """
    raw = ""
    rows: list[tuple[str, str]] = []
    for line in [*text.split("\n"), ""]:
        columns = line.split("\t") if word else line.split()
        if not line.strip():
            if rows:
                yield _sentence(language, raw, rows)
            raw, rows = "", []
        elif word and line.startswith("#"):
            raw = line.removeprefix("# text =").strip() if line.startswith("# text =") else raw
        elif len(columns) > tag and columns[word].strip():
            rows.append((columns[word].strip(), columns[tag].strip()))


def _sentence(language: str, raw: str, rows: list[tuple[str, str]]) -> Sentence:
    if language == "pt":
        raw, rows = "", list(_contract(rows))
    places = _places([word for word, _ in rows], raw)
    text = raw if places else ""
    if not places:
        for word, _ in rows:
            text += "" if word[0] in NO_SPACE_BEFORE or not text or text.endswith(NO_SPACE_AFTER) else " "
            places.append((len(text), len(text) + len(word)))
            text += word
    return Sentence(language, text, tuple(_names(places, [tag for _, tag in rows], text)))


def _places(words: Iterable[str], raw: str) -> list[tuple[int, int]]:
    """The places of the words in the raw text. Empty if a word is missing."""
    places, at = [], 0
    for word in words:
        at = raw.find(word, at)
        if at < 0:
            return []
        places.append((at, at + len(word)))
        at += len(word)
    return places


def _contract(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    before: tuple[str, str] | None = None
    for word, tag in rows:
        joined = CONTRACTIONS.get((before[0].lower(), word)) if before else None
        if before and joined:
            yield joined.capitalize() if before[0][0].isupper() else joined, before[1]
            before = None
        else:
            if before:
                yield before
            before = (word, tag)
    if before:
        yield before


def _names(places: Sequence[tuple[int, int]], tags: Sequence[str], text: str) -> Iterator[Gold]:
    """The names from IOB2, IO or plain tags. A Twitter handle is not a name."""
    current: Gold | None = None
    for (start, end), tag in zip(places, tags, strict=True):
        found = NORNE_TAG.search(tag)
        prefix, _, kind = (found[1] if found else tag).rpartition("-")
        type_ = TYPES.get(kind)
        if current and type_ == current.type and prefix != "B":
            current = current._replace(end=end)
            continue
        if current:
            yield current
        is_handle = text[start] == "@" or text[:start].rstrip().endswith("@")
        current = Gold(start, end, type_) if type_ and not is_handle else None
    if current:
        yield current


@dataclass(slots=True)
class NameScore:
    """Counts of names: marked, found, found at the right place, and found with the right type too."""

    marked: int = 0
    found: int = 0
    placed: int = 0
    typed: int = 0
    placed_by_confidence: dict[int, list[int]] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Precision, recall and F1 for exact spans, untyped and typed."""
        rows: dict[str, float] = {}
        for name, right in (("untyped", self.placed), ("typed", self.typed)):
            rows[f"{name}.precision"] = right / max(1, self.found)
            rows[f"{name}.recall"] = right / max(1, self.marked)
            rows[f"{name}.f1"] = 2 * right / max(1, self.found + self.marked)
        return rows


def score_finder(finder: NameFinder, sentences: Iterable[Sentence], language: str | None = None) -> NameScore:
    """The counts of a finder on marked sentences. `language` replaces the language of the sentences if it is set."""
    counts = NameScore()
    for sentence in sentences:
        spans = finder.find(sentence.text, language or sentence.language)
        places = {(gold.start, gold.end): gold.type for gold in sentence.names}
        counts.marked += len(places)
        counts.found += len(spans)
        for span in spans:
            type_ = places.get((span.start, span.end))
            counts.placed += type_ is not None
            counts.typed += type_ == span.type
            row = counts.placed_by_confidence.setdefault(min(9, int(span.confidence * 10)), [0, 0])
            row[0] += 1
            row[1] += type_ is not None
    return counts
