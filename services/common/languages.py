"""Maps languages to Elasticsearch's analyzers. Indexing and searching use this same table."""

from __future__ import annotations

ANALYZERS: dict[str, str] = {
    "ar": "arabic", "bg": "bulgarian", "bn": "bengali", "ca": "catalan", "ckb": "sorani", "cs": "czech",
    "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "et": "estonian", "eu": "basque",
    "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "gl": "galician", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "ja": "cjk", "ko": "cjk",
    "lt": "lithuanian", "lv": "latvian", "ms": "indonesian", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "th": "thai",
    "tr": "turkish", "zh": "cjk",
}  # fmt: skip


def analyzer_for(language: str) -> str | None:
    """The analyzer for a BCP 47 tag. `pt-BR` has its own analyzer. For an unknown language there is none."""
    return "brazilian" if language == "pt-BR" else ANALYZERS.get(language.split("-", maxsplit=1)[0])
