"""Damaged characters are repaired, and the kinds of repairs are listed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extraction.extract import clean_characters, mend

DAMAGED = [
    ("Le prÃ©sident a dÃ©clarÃ© â€œouiâ€\x9d", "Le président a déclaré “oui”", ("encoding",)),
    ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚, Ð¼Ð¸Ñ€", "привет, мир", ("encoding",)),
    ("Tom &amp; Jerry said &quot;yes&quot;", 'Tom & Jerry said "yes"', ("entities",)),
    ("Donau\u00addampf\u200bschiff", "Donaudampfschiff", ("soft hyphens", "zero-width characters")),
]
SOUND = ["Ça va très bien, señor Müller", "می\u200cخواهم", "क्\u200dष", "AT&T and R&D", "👩\u200d🔬 at work", "Ãkelsen"]


@pytest.mark.parametrize(("text", "mended", "repairs"), DAMAGED)
def test_damage_is_mended_and_named(text: str, mended: str, repairs: tuple[str, ...]) -> None:
    assert mend(clean_characters(text)) == (mended, repairs)


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_left_alone(text: str) -> None:
    assert mend(text) == (text, ())


@given(st.text(max_size=200))
def test_twice_is_once(text: str) -> None:
    once, _ = mend(clean_characters(text))
    assert mend(clean_characters(once))[0] == once
