"""Names are linked by evidence; no link rather than a wrong one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.article import EnrichedArticle
from services.entities.gazetteer import is_alias_usable, is_at_boundaries, load_gazetteer

Enrich = Callable[..., EnrichedArticle]


def ids(article: EnrichedArticle) -> dict[str, list[str]]:
    return {entity.id: [mention.surface for mention in entity.mentions] for entity in article.entities}


SPELLINGS = [
    ("en", "Vladimir Putin met reporters in the capital on Monday.", "Q7747"),
    ("nl", "Vladimir Poetin sprak maandag met de pers over de toekomst van het land.", "Q7747"),
    ("fr", "Vladimir Poutine a parlé lundi aux journalistes de l'avenir du pays.", "Q7747"),
    ("ru", "Владимир Путин в понедельник встретился с журналистами.", "Q7747"),
    ("zh", "中国外交部星期一表示,习近平将访问俄罗斯。", "Q15031"),
    ("nl", "De minister reisde maandag naar Duitsland en daarna naar Nederland.", "Q183"),
    ("de", "Der Minister reiste am Montag nach Deutschland und in die Niederlande.", "Q55"),
    ("es", "El ministro viajó el lunes a los Países Bajos y después a Alemania.", "Q55"),
]


@pytest.mark.parametrize(("language", "text", "qid"), SPELLINGS, ids=[f"{row[0]} {row[2]}" for row in SPELLINGS])
def test_spellings_of_one_entity(enriched: Enrich, language: str, text: str, qid: str) -> None:
    article = enriched(text)
    assert article.language.code == language
    assert qid in ids(article)


def test_a_family_name_is_linked_after_the_full_name_only(enriched: Enrich) -> None:
    both = ids(enriched("Wang Yi met his colleague on Monday. But later Wang spoke to reporters about the visit."))
    assert both["Q701801"] == ["Wang Yi", "Wang"]
    assert "Q701801" not in ids(enriched("But later that day Wang spoke to reporters about the visit to the city."))


def test_a_family_name_inside_another_name_is_somebody_else(enriched: Enrich) -> None:
    found = ids(enriched("Wang Yi met his colleague on Monday. Wang Wenbin spoke to reporters about the visit."))
    assert found["Q701801"] == ["Wang Yi"]


def test_no_match_inside_words(enriched: Enrich) -> None:
    assert "Q794" not in ids(enriched("The Iranica encyclopaedia and the Miran library were closed on Monday."))


def test_adjectives_are_not_the_country(enriched: Enrich) -> None:
    found = ids(enriched("De Russische minister sprak maandag met de Chinese ambassadeur over de handel."))
    assert "Q159" not in found
    assert "Q148" not in found


def test_a_small_city_needs_its_country(enriched: Enrich) -> None:
    alone = ids(enriched("She grew up in Reading and went to school there before the war began in earnest."))
    assert "Q161491" not in alone


def test_every_link_says_why(enriched: Enrich) -> None:
    article = enriched("Joe Biden spoke in the United States on Monday about the economy and jobs.")
    assert all(entity.reasons and entity.score > 0 for entity in article.entities)


def test_places_have_coordinates(enriched: Enrich) -> None:
    places = {place.id: place for place in enriched("The summit in Moscow, Russia, ended on Monday.").places}
    assert 55 < places["Q649"].lat < 56


def test_the_netherlands_is_the_country_and_not_the_kingdom() -> None:
    known = {entity.id for entity in load_gazetteer().entities}
    assert "Q55" in known
    assert "Q29999" not in known


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("in Iran.", "Iran", True),
        ("Iranian", "Iran", False),
        ("(Iran)", "Iran", True),
        ("Irán", "Ir", False),
        ("中国外交部", "中国", True),
        ("والصين", "الصين", True),
        ("Iran-Iraq", "Iran", True),
    ],
)
def test_word_boundaries_by_script(text: str, name: str, expected: bool) -> None:  # noqa: FBT001
    start = text.index(name)
    assert is_at_boundaries(text, start, start + len(name)) is expected


def test_spellings_that_would_match_everything_are_not_used() -> None:
    assert not [text for text in ("a", "russian", "12", "") if is_alias_usable(text)]
    assert is_alias_usable("Россия")
    assert is_alias_usable("中国")
