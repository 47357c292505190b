"""Lines that are furniture are dropped with the rule's name; sentences stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import ArticleDraft, Normalized, RawArticle
from services.normalizer.normalize import normalize
from services.normalizer.rules import BOILERPLATE
from services.worker.stages import to_draft
from tests.conftest import NOW

BODY = "\n".join(f"The council met on Monday and decided matter number {n} after a debate." for n in range(4))
FURNITURE = [
    ("Related Articles", "related"),
    ("Lees ook: Kabinet valt", "related"),
    ("Читайте также", "related"),
    ("相关阅读", "related"),
    ("関連記事", "related"),
    ("Leave a Reply", "comments"),
    ("Uw e-mailadres wordt niet gepubliceerd. Vereiste velden zijn gemarkeerd met *", "comments"),
    ("Schreibe einen Kommentar", "comments"),
    ("Back to top button", "navigation"),
    ("Share on Facebook", "share"),
    ("Facebook Twitter WhatsApp", "share"),
    ("Subscribe to our newsletter", "newsletter"),
    ("© 2023 Example Media", "copyright"),
    ("Tous droits réservés", "copyright"),
    ("We use cookies to improve your experience.", "cookies"),
    ("Source link", "source_link"),
]
SENTENCES = [
    "Related companies must publish their accounts by Friday.",
    "He said readers should share their stories with the paper.",
    "Police asked the public to leave a comment at the station on Tuesday.",
    "Home sales fell by four per cent in May, the bureau said.",
    "The copyright dispute between the two firms ended on Friday.",
]


@pytest.fixture(scope="module")
def clean(raw_article: Callable[..., RawArticle]) -> Callable[..., Normalized]:
    def run(text: str, **fields: object) -> Normalized:
        normalized = normalize(to_draft(raw_article(text, **fields))).normalized
        assert normalized is not None
        return normalized

    return run


@pytest.mark.parametrize(("line", "reason"), FURNITURE, ids=[line for line, _ in FURNITURE])
def test_furniture_in_many_languages(clean: Callable[..., Normalized], line: str, reason: str) -> None:
    found = clean(f"{BODY}\n{line}")
    assert line not in found.text
    assert [p.reason for p in found.paragraphs if p.text == line] == [reason]
    assert found.text.count("The council met") == 4


@pytest.mark.parametrize("line", SENTENCES)
def test_sentences_are_no_furniture(clean: Callable[..., Normalized], line: str) -> None:
    assert line in clean(f"{line}\n{BODY}\n{line[:-1]} again.\n{line}").text
    assert not [name for name, rule in BOILERPLATE if rule.match(line)]


def test_a_caption_that_stands_twice_is_dropped(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nThe mayor's house\nThe mayor’s house\n{BODY.replace('council', 'senate')}")
    assert "mayor" not in found.text


def test_headlines_of_other_articles_at_the_end_are_teasers(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nSenate rejects new tax on sugar\nFire destroys old mill in Leeds\nSource link")
    assert [p.reason for p in found.paragraphs[-3:]] == ["teaser", "teaser", "source_link"]


def test_a_site_name_above_the_title_is_dropped(clean: Callable[..., Normalized]) -> None:
    found = clean(f"Daily Planet\nCouncil agrees on new school\n{BODY}")
    assert (found.title, "Daily Planet" in found.text) == ("Council agrees on new school", False)


def test_the_stated_title_wins_and_is_not_repeated(clean: Callable[..., Normalized]) -> None:
    found = clean(f"Council agrees\n{BODY}", title="Council agrees")
    assert (found.title, found.text) == ("Council agrees", BODY)


def test_an_agency_is_found_where_it_stands(clean: Callable[..., Normalized]) -> None:
    assert clean(f"{BODY}\nEFE").agency == "EFE"
    assert clean(f"{BODY}\n(With information from Reuters)").agency == "Reuters"
    assert clean(f"BERLIN, 3 March (dpa) - {BODY}").agency == "dpa"
    assert clean(BODY).agency is None


def test_dates_of_events_are_not_the_articles(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nThe treaty was signed on 16 July 2001 in Moscow.\n{BODY.replace('council', 'senate')}")
    assert found.dates == ()


def test_text_is_never_empty(clean: Callable[..., Normalized]) -> None:
    for text in ("Related Articles", "Source link\nShare", "EFE", "2021-05-23", "Home"):
        assert clean(text).text


@given(st.lists(st.sampled_from([*(line for line, _ in FURNITURE), *SENTENCES, "", "EFE", "x"]), min_size=1))
def test_every_line_is_accounted_for(lines: list[str]) -> None:
    text = "\n".join(lines)
    if not text.strip():
        return
    draft = ArticleDraft.model_construct(
        content=text, title=None, extracted=None, language=None, fetched_at=NOW, stage_versions={}
    )
    normalized = normalize(draft).normalized
    assert normalized is not None
    assert [p.text for p in normalized.paragraphs] == [line for line in lines if line]
