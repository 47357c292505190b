"""Finds news agencies and authors, in separate lines and inside sentences."""

from __future__ import annotations

import re

AGENCIES = (
    "AFP", "AP", "Associated Press", "The Associated Press", "Reuters", "EFE", "DPA", "dpa", "ANSA", "Ansa", "ANP", "Xinhua", "TASS",
    "ТАСС", "РИА Новости", "RIA Novosti", "Interfax", "Интерфакс", "Kyodo", "Kyodo News", "Jiji Press", "Yonhap", "PTI", "IANS", "ANI",
    "Belga", "APA", "Lusa", "LUSA", "Agência Lusa", "Agência Brasil", "Estadão Conteúdo", "Folhapress", "PAP", "NTB", "TT", "Ritzau", "STT",
    "Anadolu", "Anadolu Ajansı", "Anadolu Agency", "AA", "DHA", "İHA", "IHA", "ANKA", "Ukrinform", "Укрінформ", "Укринформ", "УНІАН",
    "УНИАН", "Интерфакс-Украина", "Інтерфакс-Україна", "РБК", "РБК-Україна", "Regnum", "BNS", "CTK", "ČTK", "MTI", "Tanjug", "Hina",
    "Europa Press", "Servimedia", "Télam", "Notimex", "UPI", "Bloomberg", "CNA", "PA", "PA Media", "Press Association", "AAP", "KNA", "epd",
    "SID", "sid", "AFX", "Keystone-SDA", "SDA", "ATS", "Adnkronos", "AGI", "LaPresse", "Askanews", "Nova", "Sputnik", "Спутник", "IAR",
    "新华社", "新華社", "中新社", "中新网", "中国新闻网", "新华网", "人民网", "央视新闻", "中央社", "法新社", "路透社", "美联社", "共同社",
    "共同通信", "時事通信", "時事通信社", "時事", "ロイター", "AFP通信", "AFP=時事", "WAM", "SPA", "MENA", "KUNA", "وكالة الأنباء السعودية",
    "رويترز", "أ ف ب", "أ.ف.ب", "فرانس برس", "وكالة فرانس برس", "د ب أ", "الأناضول", "وكالة الأناضول", "أسوشيتد برس", "سبوتنيك", "وام",
    "واس", "سانا", "بترا", "قنا", "كونا", "شينخوا", "الألمانية",
)  # fmt: skip
_AGENCY = "|".join(re.escape(name) for name in sorted(AGENCIES, key=len, reverse=True))
AGENCY = re.compile(rf"(?<![^\W_])(?P<agency>{_AGENCY})(?![^\W_])")
AGENCY_DATELINE = re.compile(rf"^[^.\n]{{0,60}}[(（](?P<agency>{_AGENCY})[)）]\s*[.:–—-]?")
"""Matches `BERLIN, 3 March (Reuters) - …`. The line stays in the text."""
AGENCY_TOLD = re.compile(
    r"\b(?:told|said to|dijo a|a déclaré à l['’]|sagte|zei tegen|ha detto all['’])\s*(?:the |der |die |het )?"
    rf"(?P<agency>{_AGENCY})\b"
)
"""Matches `…, the expert told AFP.` The line stays in the text."""
MAX_CREDIT_WORDS = 12
CREDIT_WORDS = re.compile(
    r"\b(?:with|information|reporting|inputs?|material|additional|files|agencies|agency|wires?|from|by|staff|the|and|via|con|información|informacion|"
    r"de|del|datos|agencias|agencia|avec|agence|agences|d|mit|von|und|der|agenturen|agenturmaterial|agentur|material|com|informações|informação|da|do|"
    r"das|agências|agência|e|y|et|en|i|con|informazioni|di|agenzia|agenzie|ag|met|bron|bronnen|source|sources|quelle|quellen|fuente|fuentes|"
    r"fonte|fonti|fontes|источник|по|материалам|сообщает|агентство|агентства|джерело|за|матеріалами|інформацією|агенція|źródło|źródła|na|podstawie|"
    r"oprac|källa|källor|och|kaynak|ajans|ajanslar|ajansı|haber|وكالة|وكالات|المصدر|عن|نقلا|نقلاً|و|press|news|redactie|redaktion|rédaction|"
    r"redacción|redazione|redação|редакция|редакція|redakcja|redaktionen)\b",
    re.IGNORECASE,
)
CJK_CREDIT = re.compile(
    r"来源|來源|据|據|电|電|讯|訊|记者|記者|综合|報道|报道|出典|提供|配信|通信|通訊社|通讯社|社|综合报道"
)
NAME_WORD = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:[-'’.][^\W\d_]*)*\.?"
PARTICLE = r"(?i:van|de|der|den|von|zu|di|da|del|della|dos|du|la|le|el|al|bin|ben|af|och|y|e|en|und|and|et|i|и|та|ve)"
BYLINE = re.compile(
    r"^\W*(?i:by|words by|story by|written by|report by|author|authors|door|auteur|geschreven door|tekst|von|autor|autorin|ein bericht von|"
    r"eine analyse von|ein kommentar von|text|par|propos recueillis par|por|texto|escrito por|di|a cura di|scritto da|autore|da|автор|автори|"
    r"авторы|текст|av|av:|autorzy|tekst|opracowanie|oprac|yazan|yazar|haber|muhabir|skriven av|reporter|бувтор|автор статьи|автор статті|"
    rf"correspondent)\s*[:：\-–—]?\s+(?P<byline>{NAME_WORD}(?:\s+(?:{PARTICLE}\s+){{0,2}}{NAME_WORD}){{0,4}})"
    r"(?P<rest>\s*(?:[,|·•–—/(\[<-].{0,80}|(?:in|en|à|aus|uit|from|da|de|из|з|из|у|w|i|från)\s\S.{0,40}|$))"
)
"""A line that only names its author, with an optional role, address or place."""
UNCASED_BYLINE = re.compile(
    r"^\W*(?:بقلم|كتب|كتبت|كتبه|كتبها|إعداد|تحرير|الكاتب|الكاتبة|المؤلف|تقرير|مراسل|مراسلنا|作者|文|撰文|撰稿|记者|記者|本报记者|本報記者|"
    r"特约记者|通讯员|执笔|採訪|采访|编译|編譯|執筆|文・写真|取材|取材・文|ライター|著者|筆者)\s*[:：/／|｜・ ]+\s*(?P<byline>[^\W\d_][^\d:：。.!?]{1,40})$"
)
BYLINE_BEHIND = re.compile(
    r"^\W*(?P<byline>[\u3040-\u30ff\u3400-\u9fff・ ]{2,14})\s?(?:記者|特派員|编辑|編集委員|記者＝.{2,10}|通信员)\W*$"
)
MAX_BYLINE = 110


def credited_agency(line: str) -> str | None:
    """The agency of a line that is only a credit: `(AFP/Reuters)`, `Met informatie van ANP`, `来源：新华社`. Else None."""
    if len(line) > MAX_BYLINE:
        return None
    match = AGENCY.search(line)
    if match is None:
        return None
    rest = CJK_CREDIT.sub("", CREDIT_WORDS.sub("", AGENCY.sub("", line)))
    words = re.findall(r"[^\W\d_]+", rest)
    if words or len(line.split()) > MAX_CREDIT_WORDS:
        return None
    return match["agency"]


def byline_of(line: str) -> str | None:
    """The author of a line that only names an author. None for other lines."""
    if len(line) > MAX_BYLINE:
        return None
    match = BYLINE.match(line)
    if match is not None:
        name = match["byline"]
        words = [word for word in name.split() if not re.fullmatch(PARTICLE, word)]
        if (
            words
            and all(word[0].isupper() for word in words)
            and (len(words) > 1 or match["rest"].strip() or len(line) < 24)
        ):
            return name
        return None
    for pattern in (UNCASED_BYLINE, BYLINE_BEHIND):
        match = pattern.match(line)
        if match is not None:
            return match["byline"].strip()
    return None
