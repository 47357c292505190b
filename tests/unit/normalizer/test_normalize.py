"""Furniture lines are dropped with the name of the rule. Sentences stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import ArticleDraft, Normalized, RawArticle
from services.common.derived import lines_in_order
from services.normalizer.normalize import normalize
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
    ("Source link", "source"),
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
    assert [removed.rule for removed in found.removed if removed.text == line] == [reason]
    assert found.text.count("The council met") == 4


@pytest.mark.parametrize("line", SENTENCES)
def test_sentences_are_no_furniture(clean: Callable[..., Normalized], line: str) -> None:
    assert line in clean(f"{line}\n{BODY}\n{line[:-1]} again.\n{line}").text


def test_a_caption_that_stands_twice_is_dropped(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nThe mayor's house\nThe mayor’s house\n{BODY.replace('council', 'senate')}")
    assert "mayor" not in found.text


def test_headlines_of_other_articles_at_the_end_are_teasers(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nSenate rejects new tax on sugar\nFire destroys old mill in Leeds\nSource link")
    assert [removed.rule for removed in found.removed[-3:]] == ["teaser", "teaser", "source"]


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


def test_the_site_and_the_section_above_a_headline_are_told_from_it(clean: Callable[..., Normalized]) -> None:
    for above in ("The Daily Planet", "Home > News > Councils", "News | Politics", "planet.example.org"):
        found = clean(f"{above}\nCouncil decides on matter numbers after a long debate\n{BODY}")
        assert found.title == "Council decides on matter numbers after a long debate", above
        assert above not in found.text


def test_what_follows_an_announcement_at_the_end_is_no_part_of_the_article(clean: Callable[..., Normalized]) -> None:
    block = "Newsletter\nThe best of the week, every Friday.\nYou can stop it whenever you like.\nRelated Articles"
    found = clean(f"{BODY}\n{block}\nFire destroys mill")
    assert found.text == BODY


def test_teasers_inside_the_text_end_at_the_next_sentence(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nRead also:\nFire destroys old mill in Leeds\n{BODY.replace('council', 'senate')}")
    assert "mill" not in found.text
    assert found.text.count("The senate met") == 4


def test_a_date_beside_teasers_is_theirs(clean: Callable[..., Normalized]) -> None:
    found = clean(f"{BODY}\nRelated Articles\nFire destroys old mill in Leeds\n12 May 2021")
    assert found.dates == ()


def test_a_publication_comes_before_a_change(clean: Callable[..., Normalized]) -> None:
    found = clean(f"Council agrees on new school\nUpdated: 14 May 2021\nPublished: 12 May 2021\n{BODY}")
    assert [date.matched for date in found.dates] == ["12 May 2021", "14 May 2021"]


def test_an_author_with_a_role_is_a_byline(clean: Callable[..., Normalized]) -> None:
    found = clean(f"Council agrees on new school\nBy Jane Doe, education correspondent\n{BODY}")
    assert (found.byline, found.text) == ("Jane Doe", BODY)


def test_clean_text_stays_as_it_is(clean: Callable[..., Normalized]) -> None:
    page = (
        f"Daily Planet\nCouncil agrees on new school\nPublished: 12 May 2021\n{BODY}\nSource link\n© 2023 Daily Planet"
    )
    once = clean(page)
    again = clean(once.text, title=once.title)
    assert (again.title, again.text) == (once.title, once.text)


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
    assert [line for line, _ in lines_in_order(normalized.text, normalized.removed)] == [line for line in lines if line]
