"""Trains the weights of `crf.py` from the shared corpora. Run it by hand when a source or a feature changes.

    python -m tools.names.train DATA        (a folder with ner/, people/, gazetteer/ and ntrex/)

Needs python-crfsuite. The same sources and versions give the same weights.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.quality.name_corpora import CORPORA, PUD, Gold, NameScore, Sentence, read_corpus, read_pud, score_finder
from services.entities.names.classes import CLASSES
from services.entities.names.crf import WEIGHTS, CrfNameFinder
from services.entities.names.features import OTHER, Tokens, flag_of, sentence_features, split_sentences, tokenize
from services.entities.names.scorer import LABELS, NameWeights, write_weights
from tools.names.lexicon import CLDR, SOURCES, build_classes
from tools.names.projection import project

MANIFEST = WEIGHTS.with_name("manifest.json")
SEED = 20260
DEVELOPMENT = 0.08
"""Share of the training files of each corpus that is held out as development data for choosing constants."""
WITHOUT_FLAG = 0.15
"""Share of sentences that are trained with the flag `xx`, which is used for languages without a flag."""
HEADLINES = 0.05
"""Share of sentences that are added a second time as a headline: 7 in 10 in title case, 3 in 10 in capitals."""
LONGEST_HEADLINE = 150
PARAMETERS = {
    "c1": 0.1,
    "c2": 0.01,
    "max_iterations": 100,
    "feature.minfreq": 2,
    "feature.possible_transitions": True,
}
"""L-BFGS with both penalties. On development data it beats the averaged perceptron by 2 to 10 points of untyped F."""
SMALLEST = 0.01
"""A feature is left out if all its weights are closer to zero than this."""
TITLE_WORD = re.compile(r"(?<![\w'’])[^\W\d_]\w{2,}")


def hold_out_development(sentences: list[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """Training and development sentences of one file.

    The two Chinese corpora have the same text, so they are split in the same way.
    """
    shuffled = random.Random(SEED).sample(sentences, len(sentences))
    size = int(len(shuffled) * DEVELOPMENT)
    return shuffled[size:], shuffled[:size]


def as_headline(text: str, chance: random.Random) -> str:
    """The text in title case or capitals. Unchanged if that would move its names."""
    changed = (
        text.upper() if chance.random() < 0.3 else TITLE_WORD.sub(lambda word: word[0][0].upper() + word[0][1:], text)
    )
    return changed if len(changed) == len(text) else text


def flagged(sentences: Iterable[Sentence]) -> Iterator[tuple[str, Sentence]]:
    """Sentences with their flags. Some get the flag `xx`, and some are repeated as headlines."""
    chance = random.Random(SEED)
    for sentence in sentences:
        flag = OTHER if chance.random() < WITHOUT_FLAG else flag_of(sentence.language)
        yield flag, sentence
        if chance.random() < HEADLINES and len(sentence.text) < LONGEST_HEADLINE:
            yield flag, sentence._replace(text=as_headline(sentence.text, chance))


def label_tokens(tokens: Tokens, names: Iterable[Gold]) -> list[str]:
    """IOB2 labels of the tokens. A token that overlaps a name is part of the name."""
    labels = ["O"] * len(tokens.texts)
    for start, end, type_ in names:
        prefix = "B"
        for at, (begin, text) in enumerate(zip(tokens.starts, tokens.texts, strict=True)):
            if begin < end and start < begin + len(text):
                labels[at] = f"{prefix}-{type_}"
                prefix = "I"
    return labels


def train(sentences: Iterable[tuple[str, Sentence]], classes: Mapping[str, str]) -> NameWeights:
    """Train with CRFsuite. Features with very small weights are left out."""
    pycrfsuite = import_module("pycrfsuite")
    trainer = pycrfsuite.Trainer("lbfgs", PARAMETERS, verbose=False)
    for flag, sentence in sentences:
        tokens = tokenize(sentence.text)
        labels = label_tokens(tokens, sentence.names)
        for begin, end in split_sentences(sentence.text, tokens.starts):
            trainer.append(sentence_features(tokens.texts[begin:end], flag, classes), labels[begin:end])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "names.crfsuite")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        model = tagger.info()
        tagger.close()
    return to_weights(model.state_features, model.transitions)


def project_names(data: Path, sentences: Iterable[Sentence], classes: Mapping[str, str]) -> list[Sentence]:
    """Translated sentences with names. A tagger that is trained only on English finds the names in the English text."""
    english = train(flagged(sentence for sentence in sentences if sentence.language == "en"), classes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "english.npz"
        write_weights(path, english)
        return project(data, CrfNameFinder(path), classes)


def to_weights(states: Mapping[tuple[str, str], float], transitions: Mapping[tuple[str, str], float]) -> NameWeights:
    """The sparse weights of CRFsuite as rows. Features are sorted by name."""
    kept = sorted({name for (name, _), weight in states.items() if abs(weight) >= SMALLEST})
    rows = {name: row for row, name in enumerate(kept)}
    matrix = np.zeros((len(rows), len(LABELS)), np.float32)
    for (name, target), weight in states.items():
        if name in rows:
            matrix[rows[name], LABELS.index(target)] = weight
    moves = np.zeros((len(LABELS), len(LABELS)), np.float32)
    for (source, target), weight in transitions.items():
        moves[LABELS.index(source), LABELS.index(target)] = weight
    return NameWeights(rows, matrix, moves)


def figures(counts: NameScore) -> dict[str, object]:
    """Rounded figures of a score, with the calibration: for each tenth of confidence the share right and the number."""
    tenths = sorted(counts.placed_by_confidence.items())
    return {
        "names": counts.marked,
        **{name: round(value, 4) for name, value in counts.figures().items()},
        "right_by_confidence": {f"{tenth / 10:.1f}": [round(right / n, 3), n] for tenth, (n, right) in tenths},
    }


def write_classes(classes: Mapping[str, str]) -> None:
    """Write `data/words.tsv.gz`. The same classes give the same bytes."""
    CLASSES.parent.mkdir(exist_ok=True)
    lines = "".join(f"{word}\t{letters}\n" for word, letters in classes.items())
    with CLASSES.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(lines.encode())


def main(data: Path) -> None:
    """Read the corpora, train, write the weights, and measure. This takes about ten minutes and 2 GB of memory."""
    classes = build_classes(data)
    write_classes(classes)
    training: list[Sentence] = []
    development: dict[str, list[Sentence]] = {}
    test: dict[str, list[Sentence]] = {}
    for corpus in CORPORA:
        for name, sentences in read_corpus(data / "ner", corpus).items():
            if name in corpus.test:
                test[name] = sentences
                continue
            mine, kept = hold_out_development(sentences)
            training += mine
            development.setdefault(corpus.archive, []).extend(kept)
    training += project_names(data, training, classes)
    random.Random(SEED).shuffle(training)
    write_weights(WEIGHTS, train(flagged(training), classes))
    finder = CrfNameFinder()
    measured = {
        "development": {name: figures(score_finder(finder, sentences)) for name, sentences in development.items()},
        "test": {name: figures(score_finder(finder, sentences)) for name, sentences in test.items()},
        "pud": {language: figures(score_finder(finder, read_pud(data, language))) for language in PUD},
    }
    manifest = {**describe_training(data, training), "measured": measured}
    MANIFEST.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


def describe_training(data: Path, training: list[Sentence]) -> dict[str, object]:
    """The sources with licences and checksums, and all other values that the weights depend on."""
    archives = {f"ner/{corpus.archive}.tar.xz": f"{corpus.licence}, {corpus.title}" for corpus in CORPORA}
    languages = sorted({sentence.language for sentence in training})
    return {
        "licence": "CC BY-SA 4.0",
        "weights_sha256": _digest(WEIGHTS),
        "words_sha256": _digest(CLASSES),
        "python_crfsuite": version("python-crfsuite"),
        "algorithm": "lbfgs",
        "parameters": PARAMETERS,
        "seed": SEED,
        "shares": {"development": DEVELOPMENT, "without_flag": WITHOUT_FLAG, "headlines": HEADLINES},
        "sentences": {code: sum(sentence.language == code for sentence in training) for code in languages},
        "country_names": CLDR,
        "sources": [
            {"file": name, "licence": licence, "sha256": _digest(data / name)}
            for name, licence in {**archives, **SOURCES}.items()
        ],
        "measured_on_only": [{"file": name, "sha256": _digest(data / name)} for name in PUD.values()],
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
