"""The language of a text. A guess gives `und`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.article import EnrichedArticle, RawArticle
from services.language.identify import _confidence, identify, language_of, mixture_of
from services.worker.stages import to_draft

TEXTS = {
    "en": "The prime minister said on Tuesday that the government would publish its plans next week.",
    "nl": "De minister-president zei dinsdag dat het kabinet volgende week zijn plannen bekendmaakt.",
    "de": "Der Bundeskanzler sagte am Dienstag, die Regierung werde ihre Pläne nächste Woche vorlegen.",
    "fr": "Le premier ministre a déclaré mardi que le gouvernement publierait ses projets la semaine prochaine.",
    "es": "El presidente dijo el martes que el gobierno publicará sus planes la próxima semana.",
    "it": "Il primo ministro ha detto martedì che il governo pubblicherà i suoi piani la prossima settimana.",
    "pt": "O primeiro-ministro disse na terça-feira que o governo vai publicar os seus planos na próxima semana.",
    "ru": "Премьер-министр заявил во вторник, что правительство опубликует свои планы на следующей неделе.",
    "uk": "Прем'єр-міністр заявив у вівторок, що уряд опублікує свої плани наступного тижня.",
    "ar": "قال رئيس الوزراء يوم الثلاثاء إن الحكومة ستنشر خططها الأسبوع المقبل.",
    "zh": "总理星期二表示,政府将在下周公布其计划。",
    "ja": "首相は火曜日、政府が来週その計画を発表すると述べた。",
    "tr": "Başbakan salı günü hükümetin planlarını gelecek hafta yayımlayacağını söyledi.",
    "pl": "Premier powiedział we wtorek, że rząd opublikuje swoje plany w przyszłym tygodniu.",
    "sv": "Statsministern sade på tisdagen att regeringen kommer att publicera sina planer nästa vecka.",
}


@pytest.mark.parametrize(("code", "text"), TEXTS.items(), ids=TEXTS)
def test_news_sentences(code: str, text: str) -> None:
    found = language_of(text)
    assert found.code == code
    assert found.confidence >= 0.5


@pytest.mark.parametrize("text", ["", "12.5 % (2021)", "?!", "OK", "https://example.org/a/b", "\x00\x01"])
def test_what_is_no_text_is_undetermined(text: str) -> None:
    assert language_of(text).code == "und"


def test_the_declared_language_is_evidence_and_not_the_answer() -> None:
    assert language_of(TEXTS["nl"], declared="en").code == "nl"


def test_long_texts_are_sampled() -> None:
    assert language_of(TEXTS["de"] * 5000).code == "de"


def test_words_of_no_language_are_undetermined_and_have_candidates() -> None:
    found = language_of("zxq wvkp qqrt")
    assert (found.code, found.confidence) == ("und", 0.0)


def test_a_text_in_two_languages_says_so() -> None:
    text = "\n".join([TEXTS["en"]] * 3 + [TEXTS["fr"]] * 2)
    shares = mixture_of(text, language_of(text))
    assert [share.code for share in shares] == ["en", "fr"]
    assert shares[0].share > shares[1].share > 0.3


def test_a_text_in_one_language_is_not_mixed() -> None:
    text = "\n".join([TEXTS["nl"]] * 5)
    assert mixture_of(text, language_of(text)) == ()


def test_a_translation_keeps_the_texts_language_and_the_hint(raw_article: Callable[..., RawArticle]) -> None:
    found = identify(to_draft(raw_article(f"{TEXTS['en']}\nTranslated from Ukrainian by Olena Kovalchuk"))).language
    assert found is not None
    assert (found.code, found.translated) == ("en", True)
    plain = identify(to_draft(raw_article(TEXTS["en"]))).language
    assert plain is not None
    assert not plain.translated


def test_the_lines_of_a_mixed_text_in_another_language_name_it(enriched: Callable[..., EnrichedArticle]) -> None:
    french = [
        "Le ministre a annoncé lundi que le projet de loi serait présenté au Parlement dans les prochains jours.",
        "Selon lui, les communes recevront davantage d'argent pour construire des logements et des écoles.",
        "L'opposition a répondu que cette promesse n'était pas nouvelle et qu'elle attendait des chiffres.",
    ]
    english = [
        "The minister said on Monday that the bill would be presented to the lawmakers in the coming days.",
        "According to him, the towns will receive more money to build new houses and new schools there.",
        "The opposition answered that this promise was not new at all and that it waited for figures.",
    ]
    article = enriched("\n".join(english + french))
    lines = article.text.split("\n")
    named = {(lines[one.line], one.language) for one in article.line_languages}
    other, wanted = ("fr", french) if article.language.code == "en" else ("en", english)
    assert named == {(line, other) for line in wanted}


OPEN = ["The president", "Hittegolf", "A lei foi aprobada", "Guerra", "Москва"]


@pytest.mark.parametrize("text", OPEN)
def test_an_answer_that_would_sooner_be_wrong_than_right_is_undetermined(text: str) -> None:
    """The best of these answers is right about one time in four. It is not the answer, but it is a candidate."""
    found = language_of(text)
    assert (found.code, found.confidence) == ("und", 0.0)
    assert found.alternatives


def test_the_declared_language_decides_only_where_the_text_leaves_it_open() -> None:
    assert language_of("The president").code == "und"
    assert language_of("The president", declared="en").code == "en"
    assert language_of("The president", declared="en-GB").code == "en"
    assert language_of("The president", declared="ja").code == "und"


VOTES = [
    ("Krieg", "de"),
    ("Governo aprova lei", "pt"),
    ("Brand in Rotterdam", "nl"),
    ("Vláda schválila rozpočet", "cs"),
    ("Правителството прие закона", "bg"),
    ("Влада усвоила закон", "sr"),
]


@pytest.mark.parametrize(("text", "code"), VOTES, ids=[row[0] for row in VOTES])
def test_headlines_too_short_for_likelihoods_alone_are_decided_by_pycld2s_vote(text: str, code: str) -> None:
    assert language_of(text).code == code


def test_pycld2s_english_is_no_vote() -> None:
    """pycld2 answers `en` for everything that it does not know."""
    assert language_of("Feuer in Berlin").code == "de"
    assert language_of("Krig i Ukraina").code in {"da", "no"}


RIGHT = [
    (0.0, False, 0.11),
    (0.0, True, 0.23),
    (1.0, False, 0.31),
    (1.0, True, 0.53),
    (3.0, False, 0.63),
    (3.0, True, 0.81),
    (20.0, False, 0.98),
    (20.0, True, 0.99),
]


@pytest.mark.parametrize(("lead", "agrees", "share"), RIGHT)
def test_confidence_is_the_share_of_such_answers_that_are_right(lead: float, share: float, *, agrees: bool) -> None:
    """As measured (ADR 10): without lead and agreement one answer in nine is right. Agreement of both adds much."""
    ranking = [("nl", -100.0), ("de", -100.0 - lead)]
    assert _confidence(ranking, "nl" if agrees else "de") == pytest.approx(share, abs=0.006)


def test_varieties_that_a_headline_cannot_tell_apart_are_no_rivals() -> None:
    ranking = [("hr", -100.0), ("sr", -100.1), ("sl", -120.0)]
    assert _confidence(ranking, "hr") == _confidence([ranking[0], ranking[2]], "hr")
