"""Names are linked by evidence; no link rather than a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.article import EnrichedArticle, MentionKind
from services.entities.gazetteer import Loader, is_alias_usable, is_at_boundaries, load_gazetteer
from services.entities.overrides import apply_overrides
from services.entities.records import Alias, Known

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
    both = ids(enriched("Wang Yi met his colleague in China. But later Wang spoke to reporters about the visit."))
    assert both["Q701801"] == ["Wang Yi", "Wang"]
    assert "Q701801" not in ids(enriched("But later that day Wang spoke to reporters about the visit to the city."))


def test_a_family_name_inside_another_name_is_somebody_else(enriched: Enrich) -> None:
    found = ids(enriched("Wang Yi met his colleague in China. Wang Wenbin spoke to reporters about the visit."))
    assert found["Q701801"] == ["Wang Yi"]


def test_no_match_inside_words(enriched: Enrich) -> None:
    assert "Q794" not in ids(enriched("The Iranica encyclopaedia and the Miran library were closed on Monday."))


def test_adjectives_are_not_the_country(enriched: Enrich) -> None:
    found = ids(enriched("De Russische minister sprak maandag met de Chinese ambassadeur over de handel."))
    assert "Q159" not in found
    assert "Q148" not in found


def test_an_adjective_is_told_and_names_its_country(enriched: Enrich) -> None:
    article = enriched("De Russische minister sprak maandag met de Chinese ambassadeur over de handel.")
    told = {
        unlinked.surface: (unlinked.reason, [candidate.id for candidate in unlinked.candidates])
        for unlinked in article.unlinked
    }
    assert told == {"Russische": ("adjective", ["Q159"]), "Chinese": ("adjective", ["Q148"])}


def test_a_name_without_evidence_lists_its_candidates(enriched: Enrich) -> None:
    article = enriched("Wang Yi spoke to his neighbour on Monday about the weather and about the garden.")
    assert not article.entities
    assert [(unlinked.surface, unlinked.reason, unlinked.candidates[0].id) for unlinked in article.unlinked] == [
        ("Wang Yi", "no evidence", "Q701801")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Встреча с Владимиром Путиным прошла в Москве, сообщили в Китае.", {"Q7747", "Q649", "Q148"}),
        ("Prezydent Rosji spotkał się z Joe Bidenem w Genewie w środę rano.", {"Q159", "Q6279"}),
        ("Vladimirs Putins otrdien tikās ar žurnālistiem un runāja par valsts nākotni.", {"Q7747"}),
        ("Deutschlands Regierung und Frankreichs Minister sprachen am Montag über Europa.", {"Q183", "Q142"}),
    ],
)
def test_inflected_names(enriched: Enrich, text: str, expected: set[str]) -> None:
    assert expected <= set(ids(enriched(text)))


@pytest.mark.parametrize(
    "text",
    [
        "Ο Βλαντίμιρ Πούτιν μίλησε τη Δευτέρα με δημοσιογράφους για το μέλλον της χώρας.",
        "ვლადიმერ პუტინი ორშაბათს ჟურნალისტებს შეხვდა და ქვეყნის მომავალზე ისაუბრა.",
        "Wolodymyr Selenskyj sprach am Montag mit Journalisten über die Zukunft des Landes.",
    ],
)
def test_spellings_that_nobody_listed(enriched: Enrich, text: str) -> None:
    assert {"Q7747", "Q3874799"} & set(ids(enriched(text)))


def test_an_office_after_the_full_name_is_its_holder(enriched: Enrich) -> None:
    article = enriched("Vladimir Putin arrived in Beijing on Monday. The Russian president spoke to reporters there.")
    putin = next(entity for entity in article.entities if entity.id == "Q7747")
    assert [(mention.surface, mention.kind) for mention in putin.mentions] == [
        ("Vladimir Putin", MentionKind.NAME),
        ("The Russian president", MentionKind.DESCRIPTION),
    ]


def test_an_office_without_the_name_is_nobody(enriched: Enrich) -> None:
    assert "Q7747" not in ids(enriched("The Russian president spoke to reporters in Beijing on Monday about trade."))


def test_a_company_of_one_word_is_linked_inside_a_sentence(enriched: Enrich) -> None:
    found = ids(enriched("The airline said on Monday that Boeing would deliver nine planes in the autumn."))
    assert found == {"Q66": ["Boeing"]}


@pytest.mark.parametrize(
    "text",
    [
        "On Sunday the striker left Manchester City for a club in Spain, his agent said.",
        "The flight by Air Berlin was late on Monday because of the weather in the north.",
        "It was first reported by the Boston Globe on Monday, and then by other papers.",
        "The airline ordered nine more Boeing 747 planes on Monday, its manager said.",
        "The pitcher of the Los Angeles Dodgers was hurt on Monday and will miss the season.",
    ],
)
def test_a_name_inside_another_things_name_is_not_linked(enriched: Enrich, text: str) -> None:
    article = enriched(text)
    assert not {"Q18125", "Q64", "Q100", "Q66", "Q65"} & set(ids(article))
    assert "part of another name" in {unlinked.reason for unlinked in article.unlinked}


def test_names_of_a_users_file_are_added_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "entities.yaml"
    file.write_text(
        "entities:\n  - {id: 'local:harbour', type: ORG, name: Harbour Trust, add: {en: [Harbour Trust]}}\n"
        "  - {id: Q66, remove: [Boeing]}\n"
    )
    loader = Loader()
    loader.spellings["Boeing"] = [
        Alias(loader.add(Known("Q66", "ORG", "Boeing", "US", 0.5, None, None, None, None)), None)
    ]
    apply_overrides(loader, file)
    gazetteer = loader.gazetteer()
    assert [gazetteer.entities[alias.entity].id for alias in gazetteer.by_text["Harbour Trust"]] == ["local:harbour"]
    assert gazetteer.by_text["Harbour Trust"][0].languages == frozenset({"en"})
    assert "Boeing" not in gazetteer.by_text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("entities: [{id: 'local:x'}]", "needs a name and a type"),
        ("entities: [{id: Boeing}]", "entities.0.id"),
        ("entities: [", "not valid YAML"),
        ("names: []", "entities"),
    ],
)
def test_a_mistake_in_the_users_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "entities.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match=said):
        apply_overrides(Loader(), file)


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


@pytest.mark.parametrize(
    ("text", "qid"),
    [
        ("President Barack Obama signed the bill in Washington on Monday, the United States government said.", "Q76"),
        ("Tony Blair returned to London on Monday; the United Kingdom had voted the day before.", "Q9545"),
        ("Joseph Kabila spoke in Kinshasa on Monday, the Democratic Republic of the Congo's radio said.", "Q57416"),
    ],
)
def test_office_holders_are_known_by_their_country(enriched: Enrich, text: str, qid: str) -> None:
    """The lists name countries in several ways: the United States are `US` in one of them."""
    assert qid in ids(enriched(text))
