"""Word classes, projected names and a complete training run, on tiny sources in the format of the shared sources."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import babel.localedata
import pytest

from benchmarks.quality.name_corpora import Corpus, Gold, Sentence, parse_sentences, read_corpus
from services.entities.names import CrfNameFinder, NameSpan
from services.entities.names.classes import load_classes
from services.entities.names.scorer import read_weights
from tools.names import lexicon, projection, train
from tools.names.projection import place_names, project

GIVEN = [("Anna", 20), ("Berta", 3), ("Carla", 2)]
NEWS = {
    ("eng", "1"): ("Merkel in Italy", "Angela Merkel met the mayor of Rome.\nThe mayor left. The mayor slept."),
    ("nld", "1"): ("Merkel in Italië", "Angela Merkel sprak met de burgemeester van Rome.\nDe Burgemeester ging weg."),
    ("fra", "1"): ("Merkel en Italie", "Trop court"),
    ("eng", "2"): ("Nobody", "nobody at all"),
    ("nld", "2"): ("Niemand", "helemaal niemand"),
    ("zho", "1"): ("the the", "mayor mayor"),
}


def people() -> list[tuple[str, str]]:
    """Twenty Annas, three Bertas and two Carlas, and Chinese persons. Only the Carlas have no middle name."""
    rows = [(f"{given} Middle Holm{number}", "{}") for given, count in GIVEN[:2] for number in range(count)]
    rows += [(f"Carla Smit{'h' * number}", '{"ru": ["Карла Холм"]}') for number in range(2)]
    rows += [
        (f"Person {number} Lang", json.dumps({"zh": [name]}))
        for number, name in enumerate(("王小明", "王大伟", "王芳"))
    ]
    return rows


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources, and only a few of CLDR's many languages."""
    monkeypatch.setattr(babel.localedata, "locale_identifiers", lambda: ["en", "zh", "de"])
    for name in lexicon.SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    rows = people()
    for name, part in ((lexicon.PEOPLE[0], rows[::2]), (lexicon.PEOPLE[1], rows[1::2])):
        table(tmp_path / name, ("name", "aliases_json"), part)
    organisations = [(f"Bank of Place{number} (closed)", "{}") for number in range(100)]
    organisations += [(f"Club {number}", '{"zh": ["北京大学"]}') for number in range(8)]
    table(tmp_path / lexicon.ORGANISATIONS, ("name", "aliases_json"), organisations)
    places = [{"name": "Rome", "names": {"de": "Rom", "zh": "罗马"}}]
    places += [{"name": f"San P{number}q", "names": {}} for number in "abc"]
    (tmp_path / lexicon.PLACES).write_text("\n".join(map(json.dumps, places)), encoding="utf8")
    (tmp_path / lexicon.COUNTRIES).write_text("ISO3166-1-Alpha-2\nIT\nUS\n", encoding="utf8")
    with gzip.open(tmp_path / lexicon.NEWS, "wt", encoding="utf8") as file:
        for (language, story), (title, text) in NEWS.items():
            file.write(json.dumps({"lang": language, "story": story, "title": title, "text": text}) + "\n")
    return tmp_path


def table(path: Path, columns: tuple[str, ...], rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([columns, *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_a_words_class_says_what_names_it_is_part_of_and_how_often(data: Path) -> None:
    classes = lexicon.build_classes(data)
    found = {word: classes.get(word) for word in ("anna", "berta", "carla", "middle", "lang", "rome", "rom", "san")}
    assert found == {
        "anna": "G",
        "berta": "g",
        "carla": None,
        "middle": "m",
        "lang": "f",
        "rome": "P",
        "rom": "P",
        "san": "p",
    }
    assert (classes["bank"], classes["club"], classes["italy"], classes["italien"]) == ("O", "o", "K", "K")
    assert "closed" not in classes
    assert list(classes) == sorted(classes)


def test_words_seen_twice_in_small_letters_are_ordinary(data: Path) -> None:
    classes = lexicon.build_classes(data)
    assert classes["mayor"] == "l"
    assert "left" not in classes, "seen once"
    assert "burgemeester" not in classes, "seen once in small letters"


def test_names_in_ideographs_are_listed_whole_with_their_families(data: Path) -> None:
    classes = lexicon.build_classes(data)
    assert {word: classes[word] for word in ("王小明", "北京大学", "罗马", "意大利", "王")} == {
        "王小明": "N",
        "北京大学": "O",
        "罗马": "P",
        "意大利": "K",
        "王": "f",
    }


class Finder:
    """Finds Merkel and places in English."""

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
        assert language == "en"
        names = {"Angela Merkel": "PER", "Italy": "LOC", "Rome": "LOC"}
        if text.startswith("Merkel"):
            names["Merkel"] = "PER"
        spans = [
            NameSpan(text.index(name), text.index(name) + len(name), kind, 0.9)  # type: ignore[arg-type]
            for name, kind in names.items()
            if name in text
        ]
        return tuple(sorted(spans, key=lambda span: span.start))


def test_names_are_carried_over_to_translations_with_as_many_lines(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A country has its name in the target language. A line is dropped if another word looks like a name."""
    monkeypatch.setattr(projection, "TARGETS", {"nld": "nl", "fra": "fr"})
    kept = project(data, Finder(), {})
    assert kept == [
        Sentence("nl", "Merkel in Italië", (Gold(0, 6, "PER"), Gold(10, 16, "LOC"))),
        Sentence("nl", "Angela Merkel sprak met de burgemeester van Rome.", (Gold(0, 13, "PER"), Gold(44, 48, "LOC"))),
        Sentence("nl", "Niemand", ()),
        Sentence("nl", "helemaal niemand", ()),
    ]
    ordinary = project(data, Finder(), {"burgemeester": "l"})
    assert Sentence("nl", "De Burgemeester ging weg.", ()) in ordinary


def test_no_word_is_part_of_two_names() -> None:
    assert place_names("Then Anna Holm came", [["Anna Holm"], ["Anna Holm"]], {}) is None
    assert place_names("Then Anna Holm met Anna Holm", [["Anna Holm"], ["Anna Holm"]], {}) == [(5, 14), (19, 28)]


def corpus_of(folder: Path) -> Corpus:
    """An archive of marked sentences: 100 for training and two for testing."""
    names = ["Anna", "Berta", "Carla", "Dora"]
    train_text = "\n".join(f"{names[number % 4]}\tB-PER\nsaw\tO\nRome\tB-LOC\n.\tO\n" for number in range(100)).replace(
        "\t", " "
    )
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "tiny.tar.xz", "w:xz") as archive:
        for name, text in (("tiny/train", train_text), ("tiny/test", "Dora B-PER\nsaw O\nRome B-LOC\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        folder_info = tarfile.TarInfo("tiny/folder")
        folder_info.type = tarfile.DIRTYPE
        archive.addfile(folder_info)
    return Corpus("tiny", "en", "Tiny", "CC0", ("tiny/train",), ("tiny/test",), word=0, tag=1)


def test_a_file_that_an_archive_lacks_is_said(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    assert len(read_corpus(tmp_path, corpus)["tiny/test"]) == 1
    with pytest.raises(KeyError):
        read_corpus(tmp_path, Corpus("tiny", "en", "Tiny", "CC0", ("tiny/absent",)))
    with pytest.raises(ValueError, match="tiny/folder is no file"):
        read_corpus(tmp_path, Corpus("tiny", "en", "Tiny", "CC0", ("tiny/folder",)))


def test_words_that_are_not_in_the_stated_text_are_put_together() -> None:
    lines = "# text = Something else\n1\tAnna\tB-PER\n2\t(\tO\n3\tRome\tB-LOC\n4\t)\tO\n5\t.\tO\n"
    (sentence,) = parse_sentences(lines, "en", 1, 2)
    assert sentence.text == "Anna (Rome)."
    assert sentence.names == (Gold(0, 4, "PER"), Gold(6, 10, "LOC"))


def test_a_handle_is_no_name() -> None:
    (sentence,) = parse_sentences("@\tO\nanna B-PER\n@bob B-PER\nRome B-LOC\n".replace("\t", " "), "en", 0, 1)
    assert [sentence.text[name.start : name.end] for name in sentence.names] == ["Rome"]


@pytest.fixture
def trained(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Trains on the tiny corpus and returns the folder with the written files."""
    pytest.importorskip("pycrfsuite")
    made = data / "made"
    made.mkdir()
    weights = made / "names.npz"
    pud = {"en": "ner/pud/en.iob2"}
    (data / "ner" / "pud").mkdir(parents=True)
    (data / pud["en"]).write_text("1\tAnna\tB-PER\n2\tsaw\tO\n3\tRome\tB-LOC\n", encoding="utf8")
    values: dict[str, Any] = {"CORPORA": (corpus_of(data / "ner"),), "PUD": pud, "WEIGHTS": weights}
    values |= {"MANIFEST": made / "manifest.json", "CLASSES": made / "words" / "words.tsv.gz"}
    values |= {"CrfNameFinder": lambda path=weights: CrfNameFinder(path)}
    values |= {"PARAMETERS": train.PARAMETERS | {"max_iterations": 10}}
    for name, value in values.items():
        monkeypatch.setattr(train, name, value)
    monkeypatch.setattr("benchmarks.quality.name_corpora.PUD", pud)
    monkeypatch.setattr(projection, "TARGETS", {"nld": "nl", "fra": "fr"})

    def run() -> Path:
        train.main(data)
        return made

    return run


def test_a_training_run_writes_weights_words_and_a_manifest_that_tells_all(
    trained: Callable[[], Path], data: Path
) -> None:
    made = trained()
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf8"))
    assert manifest["weights_sha256"] == hashlib.sha256((made / "names.npz").read_bytes()).hexdigest()
    assert manifest["words_sha256"] == hashlib.sha256((made / "words" / "words.tsv.gz").read_bytes()).hexdigest()
    assert {source["file"] for source in manifest["sources"]} == {"ner/tiny.tar.xz", *lexicon.SOURCES}
    assert manifest["sentences"]["en"] == 92, "the rest is kept back"
    assert {name for name, figures in manifest["measured"].items() if figures} == {"development", "test", "pud"}
    assert manifest["measured"]["test"]["tiny/test"]["typed.f1"] == 1.0
    assert load_classes(made / "words" / "words.tsv.gz") == lexicon.build_classes(data)
    assert read_weights(made / "names.npz").transitions.shape == (7, 7)


def test_files_are_split_alike_and_nothing_is_lost() -> None:
    sentences = [Sentence("en", str(number), ()) for number in range(50)]
    first, second = train.hold_out_development(sentences), train.hold_out_development(sentences)
    assert first == second
    assert sorted(first[0] + first[1]) == sorted(sentences)
    assert len(first[1]) == 4


def test_some_sentences_lose_their_language_and_some_come_again_as_headlines() -> None:
    sentences = [Sentence("en", f"the mayor of Rome said {number}", ()) for number in range(300)]
    made = list(train.flagged(sentences))
    flags = [flag for flag, _ in made]
    assert 20 < flags.count("xx") < 80
    headlines = len(made) - len(sentences)
    assert 3 < headlines < 40
    assert {flag for flag, _ in made} == {"en", "xx"}
