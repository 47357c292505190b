"""Text from pages and from pieces of HTML."""

from __future__ import annotations

import pytest

from services.common.messages import RejectedMessage
from services.extraction.extract import from_html

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
    assert from_html(fragment, None).text == text


def test_a_page_is_reduced_to_its_article_and_states_its_date() -> None:
    found = from_html(PAGE, None)
    assert (found.title, [date.matched for date in found.dates]) == ("Plan is good", ["2021-05-23"])
    assert found.text.count("The minister said") == 9
    assert "Home" not in found.text
    assert "©" not in found.text


@pytest.mark.parametrize("content", ["<p></p>", "<html><body></body></html>", "<br>"])
def test_html_without_words_is_rejected(content: str) -> None:
    with pytest.raises(RejectedMessage):
        from_html(content, None)
