"""Text from pages and from pieces of HTML."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.article import ArticleDraft, ContentType, Extracted
from services.common.messages import RejectedMessage
from services.extraction.extract import extract, from_html, within_limit

PARAGRAPHS = "".join(
    f"<p>The minister said that plan number {n} was good, and that it would be put to the vote.</p>" for n in range(9)
)
PAGE = (
    "<html><head><title>Plan is good</title>"
    '<meta property="article:published_time" content="2021-05-23T10:00:00Z"></head>'
    f"<body><nav><a href='/'>Home</a></nav><article><h1>Plan is good</h1>{PARAGRAPHS}</article>"
    "<footer>© 2021 Example</footer></body></html>"
)


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        ("Just a <b>plain</b> fragment, with one sentence only.", "Just a plain fragment, with one sentence only."),
        ("<p>One.</p><ul><li>First</li><li>Second</li></ul><p>Last.</p>", "One.\nFirst\nSecond\nLast."),
        ("<p>It decided <a href='x'>nothing</a> at all.</p>", "It decided nothing at all."),
    ],
)
def test_a_piece_of_html_is_kept_whole(fragment: str, text: str) -> None:
    found = from_html(fragment, None)
    assert found is not None
    assert found.text == text


def test_a_page_is_reduced_to_its_article_and_states_its_date() -> None:
    found = from_html(PAGE, None)
    assert found is not None
    assert (found.title, [date.matched for date in found.dates]) == ("Plan is good", ["2021-05-23"])
    assert found.text.count("The minister said") == 9
    assert "Home" not in found.text
    assert "©" not in found.text


def draft(content: str, kind: ContentType) -> ArticleDraft:
    return ArticleDraft(
        article_id="9f1c3f0e-5a7b-5c3d-8e2f-1a2b3c4d5e6f",
        source_id="s",
        content_type=kind,
        content=content,
        fetched_at=datetime(2026, 11, 28, tzinfo=UTC),
        content_hash="0" * 64,
        revision=1,
    )


@pytest.mark.parametrize("content", ["<p></p>", "<html><body></body></html>", "<br>"])
def test_html_without_words_has_no_text(content: str) -> None:
    assert from_html(content, None) is None


@pytest.mark.parametrize("kind", list(ContentType))
def test_the_title_is_the_text_where_there_is_no_other(kind: ContentType) -> None:
    picture = draft('<p><img src="https://e.org/1.jpg"></p>' if kind is ContentType.HTML else "\u200b", kind)
    titled = extract(picture.model_copy(update={"title": "Picture of the <b>harbour</b> at night"}))
    assert titled.extracted is not None
    assert titled.extracted.text == "Picture of the harbour at night"
    with pytest.raises(RejectedMessage, match="neither readable text nor a title"):
        extract(picture)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("word " * 4, None),
        ("one two three four five six seven", "one two three four"),
        ("one\ntwo three four five six", "one\ntwo three four"),
        ("x" * 40, "x" * 20),
    ],
)
def test_a_text_over_the_limit_is_cut_behind_a_word_and_says_so(text: str, cut: str | None) -> None:
    found = within_limit(Extracted(text=text.strip()), limit=20)
    assert (found.text, found.is_cut) == (cut or text.strip(), cut is not None)
