"""Stems of adjectives of countries by language, from CLDR's names of languages and from a list by hand."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError

from services.entities.builder import Builder

LANGUAGES = (
    *("af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es", "et", "eu"),
    *(
        "fa",
        "fi",
        "fil",
        "fr",
        "ga",
        "gl",
        "gu",
        "he",
        "hi",
        "hr",
        "hu",
        "hy",
        "id",
        "is",
        "it",
        "ja",
        "ka",
        "kk",
        "km",
    ),
    *("kn", "ko", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb", "ne", "nl", "pa", "pl", "ps", "pt", "ro"),
    *("ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "zh", "zu"),
)
"""The locales whose country names are taken from CLDR."""
DEMONYM_COUNTRIES = {
    "ru": "RU", "zh": "CN", "ja": "JP", "fr": "FR", "de": "DE", "it": "IT", "es": "ES", "pl": "PL", "uk": "UA", "tr": "TR", "nl": "NL", "sv": "SE",
    "da": "DK", "fi": "FI", "el": "GR", "hu": "HU", "cs": "CZ", "ro": "RO", "bg": "BG", "th": "TH", "vi": "VN", "pt": "PT", "sr": "RS", "hr": "HR",
    "be": "BY", "et": "EE", "lt": "LT", "lv": "LV", "sk": "SK", "sl": "SI", "sq": "AL", "ka": "GE", "hy": "AM", "az": "AZ", "kk": "KZ", "uz": "UZ",
    "mn": "MN", "is": "IS", "id": "ID", "no": "NO",
}  # fmt: skip
"""Languages whose name is also the adjective of a country in most languages: русский, russe, Russisch."""
ADJECTIVES = {
    "en": {"american": "US", "british": "GB", "swiss": "CH", "austrian": "AT", "belgian": "BE", "canadian": "CA", "australian": "AU", "mexican": "MX",
           "brazilian": "BR", "argentin": "AR", "egyptian": "EG", "syrian": "SY", "iraqi": "IQ", "saudi": "SA", "israeli": "IL", "pakistani": "PK",
           "iranian": "IR", "indian": "IN", "afghan": "AF", "venezuelan": "VE", "cuban": "CU", "north korean": "KP", "south korean": "KR"},
    "nl": {"amerika": "US", "chines": "CN", "portuges": "PT", "brits": "GB", "zwitser": "CH", "oostenrijk": "AT", "belgisch": "BE", "canade": "CA", "australisch": "AU", "braziliaan": "BR",
           "israëlisch": "IL", "iraans": "IR", "irak": "IQ", "syrisch": "SY", "indiase": "IN", "egyptisch": "EG"},
    "de": {"amerikanisch": "US", "britisch": "GB", "österreichisch": "AT", "belgisch": "BE", "kanadisch": "CA", "australisch": "AU", "brasilianisch": "BR",
           "israelisch": "IL", "iranisch": "IR", "irakisch": "IQ", "syrisch": "SY", "indisch": "IN", "ägyptisch": "EG", "schweizer": "CH"},
    "fr": {"américain": "US", "britannique": "GB", "suisse": "CH", "autrichien": "AT", "belge": "BE", "canadien": "CA", "australien": "AU", "brésilien": "BR",
           "israélien": "IL", "iranien": "IR", "irakien": "IQ", "syrien": "SY", "indien": "IN", "égyptien": "EG"},
    "es": {"estadounidense": "US", "norteamerican": "US", "británic": "GB", "suiz": "CH", "austriac": "AT", "canadiense": "CA", "australian": "AU", "brasileñ": "BR",
           "israelí": "IL", "iraní": "IR", "iraquí": "IQ", "siri": "SY", "egipci": "EG", "mexican": "MX", "argentin": "AR"},
    "it": {"statunitens": "US", "american": "US", "britannic": "GB", "svizzer": "CH", "austriac": "AT", "canades": "CA", "australian": "AU", "brasilian": "BR",
           "israelian": "IL", "iranian": "IR", "irachen": "IQ", "sirian": "SY", "egizian": "EG"},
    "pt": {"american": "US", "norte-american": "US", "britânic": "GB", "suíç": "CH", "canadens": "CA", "australian": "AU", "brasileir": "BR", "israelens": "IL",
           "iranian": "IR", "iraquian": "IQ", "síri": "SY", "egípci": "EG"},
    "ru": {"американск": "US", "британск": "GB", "швейцарск": "CH", "австрийск": "AT", "израильск": "IL", "иранск": "IR", "иракск": "IQ", "сирийск": "SY", "индийск": "IN"},
    "uk": {"американськ": "US", "британськ": "GB", "швейцарськ": "CH", "австрійськ": "AT", "ізраїльськ": "IL", "іранськ": "IR", "сирійськ": "SY", "російськ": "RU"},
    "pl": {"amerykańsk": "US", "brytyjsk": "GB", "szwajcarsk": "CH", "austriack": "AT", "izraelsk": "IL", "irańsk": "IR", "syryjsk": "SY"},
    "sv": {"amerikansk": "US", "brittisk": "GB", "schweizisk": "CH", "österrikisk": "AT", "israelisk": "IL", "iransk": "IR", "syrisk": "SY"},
}  # fmt: skip
"""Stems of adjectives of countries that are not also the name of a language."""
MIN_DEMONYM_STEM = 4


def locale_of(code: str) -> Locale | None:
    """CLDR's data of a language, or None when CLDR does not have the language."""
    try:
        return Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        return None


def add_demonyms(builder: Builder) -> None:
    """Add the stems of adjectives of countries, from CLDR's names of languages and from the list by hand."""
    for code in LANGUAGES:
        locale, language = locale_of(code), "no" if code == "nb" else code
        for spoken, country in DEMONYM_COUNTRIES.items():
            name = str(locale.languages.get(spoken, "")) if locale else ""
            stem = name.casefold()[: -1 if len(name) > MIN_DEMONYM_STEM + 1 else None]
            if len(stem) >= MIN_DEMONYM_STEM and " " not in stem:
                builder.demonyms[language, stem] = country
    for language, stems in ADJECTIVES.items():
        for stem, country in stems.items():
            builder.demonyms[language, stem] = country
