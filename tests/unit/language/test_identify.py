"""The language of a text, or `und` rather than a guess."""

from __future__ import annotations

import pytest

from services.language.identify import language_of

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
