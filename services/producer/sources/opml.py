"""Reads and writes OPML, a format for lists of feeds (http://opml.org/spec2.opml)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from lxml import etree

from schemas.feed import Feed, FeedType
from services.producer.sources.documents import (
    Child,
    Document,
    NotThisFormatError,
    Parsed,
    language_tag,
    one_line,
    parse_xml,
    root_name,
    web_address,
)


class Opml:
    """The format OPML, a list of feeds."""

    name = "opml"

    @staticmethod
    def accepts(document: Document) -> bool:
        """Whether the first element is `opml`."""
        return root_name(document.head) == "opml"

    @staticmethod
    def parse(document: Document, source_id: str, now: datetime) -> Parsed:  # noqa: ARG004 - the signature of all formats
        """Every feed as a child. Folders become tags."""
        root = parse_xml(document.data, "not OPML")
        children = {child.url: child for child in read_outlines(root, document.url, ())}
        if not children and root.find(".//{*}outline") is None:
            raise NotThisFormatError("not OPML: it has no outline")
        return Parsed(format="opml", type=FeedType.OPML, children=list(children.values()))


def read_outlines(element: etree._Element, url: str, folders: tuple[str, ...]) -> Iterator[Child]:
    """All outlines with an address, at any depth."""
    for outline in element:
        attributes = {str(name).lower(): str(value) for name, value in outline.attrib.items()}
        title = one_line(attributes.get("title") or attributes.get("text"), 200)
        address = web_address(url, attributes.get("xmlurl"))
        if address:
            yield Child(address, title, tags=folders, language=language_tag(attributes.get("language")))
            inner = folders
        else:
            is_folder = outline.tag == "outline" and title
            inner = (*folders, str(title)[:100]) if is_folder else folders
        yield from read_outlines(outline, url, inner)


def write_opml(feeds: Iterable[Feed]) -> bytes:
    """The feeds with a URL as OPML 2.0. There is one folder for each first tag."""
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = "Dragoman feeds"
    body = etree.SubElement(root, "body")
    folders: dict[str, etree._Element] = {}
    for feed in feeds:
        if feed.url is None or feed.type is FeedType.TOPIC:
            continue
        parent = body
        if feed.tags:
            tag = feed.tags[0]
            if tag not in folders:
                folders[tag] = etree.SubElement(body, "outline", text=tag, title=tag)
            parent = folders[tag]
        attributes = {
            "type": "rss",
            "text": feed.source or feed.id,
            "title": feed.source or feed.id,
            "xmlUrl": feed.url,
        }
        if feed.language:
            attributes["language"] = feed.language
        etree.SubElement(parent, "outline", attributes)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)
    return written
