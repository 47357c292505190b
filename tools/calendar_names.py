"""Builds `data/calendar.json` with the names of months and weekdays from CLDR. Run it by hand after a Babel update.

Call it as `python -m tools.calendar_names`.
"""

from __future__ import annotations

import json
from collections import defaultdict

from babel import Locale
from babel.dates import get_day_names, get_month_names

from services.normalizer.dates import DATA

CALENDAR = DATA / "calendar.json"
LOCALES = (
    "af", "ar", "ar_DZ", "ar_LB", "ar_IQ", "ar_MA", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de",
    "de_AT", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fil", "fr", "ga", "gl", "he", "hi", "hr", "hu",
    "hy", "id", "is", "it", "ja", "ka", "kk", "ko", "lt", "lv", "mk", "ms", "nb", "nl", "nn", "pl", "pt", "ro",
    "ru", "sk", "sl", "sq", "sr", "sr_Latn", "sv", "sw", "th", "tr", "uk", "ur", "uz", "vi", "zh", "zh_Hant",
)  # fmt: skip
CLDR_CODES = {"nb": "no", "nn": "no"}
EXTRA_MONTHS = {
    "en": {"sept": 9},
    "de": {"jänner": 1, "märz": 3, "feber": 2},
    "it": {"sett": 9},
    "nl": {"mrt": 3, "mei": 5},
    "pt": {"maio": 5},
    "es": {"setiembre": 9},
    "ru": {"май": 5, "мая": 5, "сент": 9, "нояб": 11},
    "ar": {"ابريل": 4, "اغسطس": 8, "اكتوبر": 10, "أكتوبر": 10, "يوليه": 7, "يونية": 6, "يونيه": 6, "مارس": 3},
}
"""Spellings in the press that CLDR does not have."""


def month_names(locale: str) -> dict[str, int]:
    """Casefolded names without dots → 1 to 12: wide and abbreviated forms, inside a date and alone."""
    found: dict[str, int] = {}
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in get_month_names(width, context, Locale.parse(locale)).items():
                key = name.casefold().strip(" .")
                if len(key) > 1 and not any(character.isdigit() for character in key):
                    found.setdefault(key, number)
    return found


def day_names(locale: str) -> set[str]:
    """Casefolded weekdays without dots."""
    return {
        name.casefold().strip(" .")
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for name in get_day_names(width, context, Locale.parse(locale)).values()
        if len(name.strip(" .")) > 1
    }


def main() -> None:
    """Write the file. The same Babel version gives the same bytes."""
    months: dict[str, dict[str, int]] = defaultdict(dict)
    weekdays: dict[str, set[str]] = defaultdict(set)
    for locale in LOCALES:
        base = locale.split("_")[0]
        code = CLDR_CODES.get(base, base)
        for name, number in month_names(locale).items():
            months[code].setdefault(name, number)
        weekdays[code] |= day_names(locale)
    for code, names in EXTRA_MONTHS.items():
        for name, number in names.items():
            months[code].setdefault(name, number)
    content = {
        "months": {code: dict(sorted(names.items())) for code, names in sorted(months.items())},
        "weekdays": {code: sorted(names) for code, names in sorted(weekdays.items())},
    }
    CALENDAR.parent.mkdir(exist_ok=True)
    CALENDAR.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
