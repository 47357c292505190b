"""Makes HTML harmless. Everything that runs, loads or submits is removed. Words and metadata stay."""

from __future__ import annotations

import re
from html import escape as html_escape
from html import unescape

import nh3
from lxml import etree, html
from lxml_html_clean import Cleaner

TAG = re.compile(r"<[^<>]*>")
"""A tag. Without `<` inside, the pattern never searches to the end of the text from every `<`."""
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
CONTROL_REFERENCE = re.compile(r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));?")
ELEMENT = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
UNNESTED = frozenset(
    {"p", "br", "hr", "img", "input", "meta", "link", "wbr", "source", "col", "area", "embed", "track"}
)
MAX_NESTING = 500
MAX_REFERENCES = 20_000
"""Character references of one entry. The time of nh3 grows with the square of them: 0.05 s for so many."""
LINKED_DATA = "application/ld+json"
CLEANER = Cleaner(
    scripts=False,  # clean_page keeps linked data, which states dates and authors
    javascript=True,
    comments=True,
    style=True,
    inline_style=True,
    links=False,
    meta=False,
    page_structure=False,
    processing_instructions=True,
    embedded=True,
    frames=True,
    forms=False,
    annoying_tags=False,
    remove_unknown_tags=False,
    safe_attrs_only=False,
)


def has_words(fragment: str) -> bool:
    """Whether the HTML has any text outside of tags."""
    return bool(TAG.sub("", fragment).replace("&nbsp;", " ").strip())


def clean_fragment(fragment: str) -> str:
    """The HTML of an entry with only harmless elements and attributes (the list of ammonia, by nh3)."""
    if nesting(fragment) > MAX_NESTING or fragment.count("&") + fragment.count("\xa0") > MAX_REFERENCES:
        return html_escape(unescape(TAG.sub(" ", fragment)), quote=False).strip()
    return nh3.clean(fragment, link_rel=None).strip()


def nesting(fragment: str) -> int:
    """The depth of nested tags, closed or not. The time of an HTML parser grows with the square of the depth."""
    depth = deepest = 0
    for match in ELEMENT.finditer(fragment):
        if match[2].lower() not in UNNESTED:
            depth = max(0, depth - 1) if match[1] else depth + 1
            deepest = max(deepest, depth)
    return deepest


def clean_page(page: str) -> str:
    """A whole page without scripts, handlers, frames, plugins and styles. Empty when there is no page.

    `<script type="application/ld+json">` stays, because publishers state dates and authors in it.
    """
    try:
        # A control character behind an element that is removed would have to move, and lxml refuses to write it.
        data = CONTROL.sub("", CONTROL_REFERENCE.sub("", page)).encode("utf8", "replace")
        root = html.document_fromstring(data, html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError):
        return ""
    for script in list(root.iter("script", "noscript", "template")):
        if script.get("type", "").strip().lower() != LINKED_DATA or script.tag != "script":
            script.drop_tree()
    CLEANER(root)
    cleaned: str = html.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>")
    return cleaned
