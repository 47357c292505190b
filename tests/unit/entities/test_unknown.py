"""Names that are in no list: the spans that become entities, and the spellings that belong together."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from schemas.article import ArticleDraft, Entity, Language, RawArticle
from services.entities import EntityLinker, EntitySettings
from services.entities.gazetteer import Loader
from services.entities.link import link
from services.entities.mentions import Field
from services.entities.names import CrfNameFinder, GlinerNameFinder, NameSpan, SpacyNameFinder
from services.entities.records import Alias, Known
from services.entities.unknown import MAX_NAMES, find_names, name_finder


class Finder:
    """Finds these names at every place, with a type and a confidence."""

    def __init__(self, **names: tuple[str, float]) -> None:
        self._names = {name.replace("_", " "): found for name, found in names.items()}

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
        assert language
        spans = [
            NameSpan(match.start(), match.end(), type_, confidence)  # type: ignore[arg-type]
            for name, (type_, confidence) in self._names.items()
            for match in re.finditer(rf"\b{name}\b", text)
        ]
        return tuple(sorted(spans, key=lambda span: span.start))


def names(finder: Finder, text: str, title: str = "", known: tuple[tuple[Field, int, int], ...] = ()) -> list[Entity]:
    return list(find_names(finder, {"title": title, "text": text}, "en", known))


def test_a_name_is_an_entity_with_every_place_where_it_stands() -> None:
    (found,) = names(Finder(Lars_Lindqvist=("PER", 0.9)), "Nobody was hurt, said Lars Lindqvist.", "Lars Lindqvist")
    assert (found.id, found.type, found.name) == ("name:lars-lindqvist", "PER", "Lars Lindqvist")
    assert [(mention.field, mention.start, mention.end) for mention in found.mentions] == [
        ("title", 0, 14),
        ("text", 22, 36),
    ]
    assert found.score == 0.9


def test_a_person_mentioned_by_family_name_is_the_same_one() -> None:
    finder = Finder(Lindqvist=("PER", 0.7), Lars_Lindqvist=("PER", 0.9))
    (found,) = names(finder, "Lars Lindqvist came. Then Lindqvist left.")
    assert [mention.surface for mention in found.mentions][-1] == "Lindqvist"
    (turned,) = names(Finder(Lindqvist=("PER", 0.7), Lars_Holm=("PER", 0.9)), "Lindqvist and Lars Holm spoke.")
    assert turned.name == "Lars Holm", "a bare family name is too many people's"


def test_the_longest_spelling_is_the_name() -> None:
    (found,) = names(
        Finder(Volodymyr_Zelensky=("PER", 0.8), Volodymyr_Zelenskyy=("PER", 0.8)),
        ("Volodymyr Zelensky and Volodymyr Zelenskyy are one."),
    )
    assert (found.name, len(found.mentions)) == ("Volodymyr Zelenskyy", 2)


def test_names_that_differ_in_consonants_are_two() -> None:
    finder = Finder(Helen_Marchbank=("PER", 0.9), Helen_Marchand=("PER", 0.9))
    assert len(names(finder, "Helen Marchbank met Helen Marchand.")) == 2


@pytest.mark.parametrize(
    ("name", "type_", "confidence", "is_kept"),
    [
        ("Lars_Lindqvist", "PER", 0.61, True),
        ("Lars_Lindqvist", "PER", 0.59, False),
        ("Holmsund", "LOC", 0.95, True),
        ("Holmsund", "LOC", 0.85, False),
        ("Holmsund_Sawmill", "ORG", 0.61, True),
    ],
)
def test_a_single_word_must_be_surer_than_a_name_of_two(
    name: str, type_: str, confidence: float, *, is_kept: bool
) -> None:
    found = names(Finder(**{name: (type_, confidence)}), f"Yesterday {name.replace('_', ' ')} was in the news.")
    assert bool(found) is is_kept


def test_what_is_known_already_is_no_new_name() -> None:
    finder, text = Finder(Lars_Lindqvist=("PER", 0.9)), "Lars Lindqvist came."
    assert names(finder, text, known=(("text", 5, 20),)) == []
    assert len(names(finder, text, known=(("title", 0, 14), ("text", 14, 20)))) == 1


def test_the_type_is_what_most_confidence_speaks_for() -> None:
    finder = Finder(Holmsund_Club=("ORG", 0.9), Holmsund=("LOC", 0.95))
    (found,) = names(finder, "Holmsund Club, Holmsund, Holmsund.")
    assert (found.type, found.name) == ("LOC", "Holmsund Club")


def test_a_name_in_another_script_gets_plain_letters_and_a_short_one_in_ideographs_is_whole() -> None:
    assert [entity.id for entity in names(Finder(Ларс_Линдквист=("PER", 0.9)), "Ларс Линдквист пришёл.")] == [
        "name:lars-lindkvist"
    ]
    (found,) = names(Finder(王小明=("PER", 0.9)), "王小明 来了。")
    assert found.name == "王小明"


def test_no_article_has_endless_names_and_no_name_is_endless() -> None:
    words = [
        f"Place {chr(65 + number // 26)}{chr(97 + number % 26)}zq{'bdfgklmnprst'[number % 12] * 3}"
        for number in range(60)
    ]
    finder = Finder(**{word.replace(" ", "_"): ("LOC", 0.99) for word in words})
    assert len(names(finder, ". ".join(words))) <= MAX_NAMES
    long = "Anna " * 20 + "Holm"
    assert names(Finder(**{long.replace(" ", "_"): ("PER", 0.99)}), long) == []


@pytest.fixture
def _fresh() -> Iterator[None]:
    """A finder is loaded once per process. Here it is loaded again."""
    name_finder.cache_clear()
    yield
    name_finder.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_the_setting_chooses_the_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipeline:
        lang, max_length = "en", 100

    spacy: Any = ModuleType("spacy")
    spacy.load = lambda *_, **__: Pipeline()
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    assert name_finder("off") is None
    assert isinstance(name_finder("crf"), CrfNameFinder)
    assert isinstance(name_finder("spacy:en_core_web_sm"), SpacyNameFinder)
    monkeypatch.setenv("DRAGOMAN_NAMES", "crf")
    assert isinstance(EntityLinker(EntitySettings()).finder, CrfNameFinder)
    with pytest.raises(ValueError, match="no folder with a GLiNER model"):
        name_finder("gliner:/nowhere")


def test_a_model_in_a_folder_is_loaded_without_a_network(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    class GLiNER:
        @classmethod
        def from_pretrained(cls, folder: str, *, local_files_only: bool) -> GLiNER:
            asked.append((folder, local_files_only))
            return cls()

        def predict_entities(self, text: str, labels: list[str], *, threshold: float) -> list[dict[str, Any]]:
            assert threshold > 0
            at = text.index("Holm")
            return [{"start": at, "end": at + 4, "text": "Holm", "label": labels[0], "score": 0.8}]

    gliner: Any = ModuleType("gliner")
    gliner.GLiNER = GLiNER
    monkeypatch.setitem(sys.modules, "gliner", gliner)
    (span,) = GlinerNameFinder(tmp_path).find("Anna Holm came.", "en")
    assert (span.start, span.end, span.type, span.confidence) == (5, 9, "PER", 0.8)
    assert asked == [(str(tmp_path), True)]


def test_a_missing_gliner_is_said(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gliner", None)
    with pytest.raises(ValueError, match="pip install gliner"):
        GlinerNameFinder(tmp_path)


class Ent:
    """An entity in the form of spaCy."""

    def __init__(self, text: str, word: str, label: str) -> None:
        self.start_char = text.index(word)
        self.end_char = self.start_char + len(word)
        self.label_ = label


class Doc:
    def __init__(self, ents: list[Ent]) -> None:
        self.ents = ents


class FakePipeline:
    """A spaCy pipeline that accepts a limited number of characters and refuses invalid text."""

    def __init__(self, lang: str, max_length: int = 1000) -> None:
        self.lang, self.max_length = lang, max_length

    def __call__(self, text: str) -> Doc:
        assert len(text) <= self.max_length
        text.encode()
        labels = {"Paris": "GPE", "Merkel": "PERSON", "Monday": "DATE"}
        return Doc([Ent(text, word, label) for word, label in labels.items() if word in text])


def found(finder: SpacyNameFinder, text: str, language: str) -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.type) for span in finder.find(text, language)]


def test_spacys_labels_are_mapped_and_what_is_no_name_is_left_out() -> None:
    text = "\ud800 Merkel was in Paris on Monday."
    assert found(SpacyNameFinder(FakePipeline("en")), text, "en-GB") == [("Merkel", "PER"), ("Paris", "LOC")]


def test_a_pipeline_reads_its_own_language_and_one_for_all_reads_all() -> None:
    assert found(SpacyNameFinder(FakePipeline("en")), "Merkel à Paris", "fr") == []
    assert len(found(SpacyNameFinder(FakePipeline("xx")), "Merkel à Paris", "fr")) == 2


def test_a_text_that_is_too_long_for_a_pipeline_is_read_in_parts() -> None:
    text = "x " * 30 + "Merkel"
    assert found(SpacyNameFinder(FakePipeline("en", max_length=20)), text, "en") == [("Merkel", "PER")]


def test_a_pipeline_is_loaded_without_what_no_name_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def load(name: str, *, exclude: tuple[str, ...]) -> FakePipeline:
        asked.append((name, exclude))
        if name == "absent":
            raise OSError("no such model")
        return FakePipeline("en")

    spacy: Any = ModuleType("spacy")
    spacy.load = load
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    assert found(SpacyNameFinder("small"), "Merkel", "en") == [("Merkel", "PER")]
    assert asked[0][0] == "small"
    assert {"tagger", "parser", "lemmatizer"} <= set(asked[0][1])
    with pytest.raises(ValueError, match="the spaCy pipeline absent is not installed"):
        SpacyNameFinder("absent")


def test_linked_names_and_open_ones_are_not_found_again(raw_article: Callable[..., RawArticle]) -> None:
    """A finder adds names to those of the gazetteer and never contradicts them."""
    loader = Loader()
    loader.add(Known("Q1", "LOC", "Sweden", "SE", 0.9, None, None, None, None))
    loader.spellings["Sweden"] = [Alias(0, None)]
    gazetteer = loader.gazetteer()
    finder = Finder(Sweden=("PER", 0.99), Lars_Lindqvist=("PER", 0.9))
    raw = raw_article("In Sweden nobody was hurt, said Lars Lindqvist.")
    values = {name: getattr(raw, name) for name in RawArticle.model_fields}
    draft = link(ArticleDraft(**values, language=Language(code="en", confidence=0.9)), gazetteer, finder)
    assert draft.entities is not None
    assert [entity.id for entity in draft.entities] == ["Q1", "name:lars-lindqvist"]
