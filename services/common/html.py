"""Extracts the words from a fragment of HTML that is not a whole page."""

from __future__ import annotations

import re

import nh3
from lxml import etree, html

MARKUP = re.compile(r"<(?:/?[A-Za-z][^<>]*|!--)>|&(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BLOCK_NAMES = (
    "address article aside blockquote br dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main nav "
    "ol p pre section table td th tr ul"
)
BLOCKS = frozenset(BLOCK_NAMES.split())


def has_markup(text: str) -> bool:
    """Whether a text contains a tag or a character reference."""
    return MARKUP.search(text) is not None


def to_text(fragment: str) -> str:
    """The words of HTML, one line for each block."""
    if not has_markup(fragment):
        return fragment.strip()
    fragment = CONTROL.sub("", fragment)
    try:
        root = html.fragment_fromstring(fragment, create_parent="div")
    except (
        etree.ParserError,
        etree.XMLSyntaxError,
        ValueError,
        AssertionError,
    ):  # AssertionError: the fragment contains a whole page
        return nh3.clean_text(MARKUP.sub(" ", fragment)).strip()
    parts: list[str] = []
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in ("script", "style"):
            element.text = ""
        for node in (element, *element):
            if isinstance(node.tag, str) and node.tag in BLOCKS:
                node.tail = "\n" + (node.tail or "") if node is not element else node.tail
        if element.tag in BLOCKS:
            element.text = "\n" + (element.text or "")
    parts.append(root.text_content())
    lines = (re.sub(r"[ \t\f\v\xa0]+", " ", line).strip() for line in "".join(parts).splitlines())
    return "\n".join(line for line in lines if line)
