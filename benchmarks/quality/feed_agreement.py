"""Measures how far our feed entries agree with the test feeds of two parsers: feedparser and gofeed.

The files of feedparser have a Python expression in a comment (`Expect: … entries[0]['title'] == '…'`). The files of
gofeed have a JSON file next to them. Only statements about entries count: entries, titles, dates, links, authors, tags
and ids.

python -m benchmarks.quality.feed_agreement [--disagreements]
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import SHARED
from services.common.html import to_text
from services.producer.sources.base import Entry
from services.producer.sources.documents import Document, NotThisFormatError, one_line
from services.producer.sources.formats import parse_document

ARCHIVE_FOLDER = SHARED / "data" / "feeds"
ARCHIVES = ("feedparser-tests", "gofeed-tests")
EXPECT = re.compile(rb"Expect:\s*(.*?)\s*-->", re.DOTALL)
HEADER = re.compile(rb"Header:\s*Content-type:\s*([^\r\n]+)", re.IGNORECASE)
LOCATION = re.compile(rb"Header:\s*Content-Location:\s*([^\r\n]+)", re.IGNORECASE)
STATED = re.compile(r"entries\[(\d+)\]\['(\w+)'\](\[\d+\]\['value'\])?\s*==\s*")
FIELDS = {
    "title": "titles",
    "link": "links",
    "id": "ids",
    "guid": "ids",
    "published_parsed": "dates",
    "updated_parsed": "dates",
    "description": "texts",
    "summary": "texts",
    "content": "texts",
    "author": "authors",
}


@dataclass(slots=True)
class Agreement:
    """Counts by corpus and kind, and the disagreements: (file, kind, stated, found)."""

    right: Counter[tuple[str, str]] = field(default_factory=Counter)
    of: Counter[tuple[str, str]] = field(default_factory=Counter)
    disagreements: list[tuple[str, str, object, object]] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    def add(self, corpus: str, kind: str, name: str, stated: object, found: object, *, right: bool) -> None:
        """Count one statement."""
        self.of[corpus, kind] += 1
        self.right[corpus, kind] += right
        if not right:
            self.disagreements.append((name, kind, stated, found))


def plain(value: object) -> str:
    """Text without markup and white space, because parsers may or may not keep the tags of a title."""
    return re.sub(r"\s+", "", to_text(to_text(str(value or ""))))


def same(kind: str, stated: object, found: object) -> bool:
    """Whether a stated value and our value mean the same."""
    if kind == "dates":
        return stated == found
    if kind in ("titles", "texts"):
        return plain(stated) == plain(found)
    return (one_line(str(stated or "")) or "") == (str(found) if found else "")


def statements(expression: str) -> Iterator[tuple[int, str, object]]:
    """(entry, feedparser's key, value) of each comparison with a literal. The last value of a key counts."""
    found: dict[tuple[int, str], object] = {}
    for match in STATED.finditer(expression):
        if match[2] not in FIELDS or (match[2] == "content") != bool(match[3]):
            continue
        literal = re.match(
            r"""u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*"|\([\d, -]+\)""", expression[match.end() :], re.DOTALL
        )
        if literal:
            found[int(match[1]), match[2]] = ast.literal_eval(literal[0])
    for (number, key), value in found.items():
        yield number, key, value


def of_entry(entry: Entry, key: str) -> list[object]:
    """The value of our entry for feedparser's key. Several values if each of them is a valid answer."""
    kinds = {date.kind: date.at for date in entry.declared.dates}
    match key:
        case "title":
            return [entry.title]
        case "link":
            return [entry.url]
        case "id" | "guid":
            return [entry.guid]
        case "published_parsed" | "updated_parsed":
            return [kinds.get(key.removesuffix("_parsed"))]
        case "author":
            return [author.value for author in entry.declared.authors] or [None]
        case _:
            return [entry.content]


def to_utc(parts: object) -> object:
    """Feedparser's time tuple as a time."""
    return datetime(*parts[:6], tzinfo=UTC) if isinstance(parts, tuple) else parts  # type: ignore[misc]


def read(data: bytes, agreement: Agreement, name: str) -> list[Entry]:
    """Our entries of a file. The only allowed error is that the file is not a feed."""
    match, location = HEADER.search(data[:2000]), LOCATION.search(data[:2000])
    content_type = match[1].decode("ascii", "replace").strip() if match else ""
    charset = re.search(r"charset=([\w-]+)", content_type)
    url = location[1].decode().strip() if location else "http://127.0.0.1:8097/feed"
    document = Document(url, data, content_type.partition(";")[0].strip(), charset[1] if charset else None)
    started = time.perf_counter()
    try:
        items = parse_document(document, "test", datetime.now(UTC)).items
    except NotThisFormatError:
        items = []
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        agreement.crashes.append(f"{name}: {type(error).__name__}: {error}")
        items = []
    agreement.slowest_seconds = max(agreement.slowest_seconds, time.perf_counter() - started)
    return [item for item in items if isinstance(item, Entry)]


def measure_feedparser(folder: Path, agreement: Agreement) -> None:
    """Feedparser's files with expectations. The target applies to `wellformed`."""
    for path in sorted(folder.rglob("*.xml")):
        data = path.read_bytes()
        agreement.files["feedparser"] += 1
        entries = read(data, agreement, path.name)
        expected = EXPECT.search(data)
        if not expected:
            continue
        corpus = f"feedparser {path.relative_to(folder / 'tests').parts[0]}"
        stated = list(statements(expected[1].decode("utf8", "replace")))
        needed = max((number for number, _, value in stated if value not in ("", None)), default=-1) + 1
        if needed:
            agreement.add(corpus, "entries", path.name, needed, len(entries), right=len(entries) >= needed)
        for number, key, value in stated:
            kind, wanted = FIELDS[key], to_utc(value)
            found = of_entry(entries[number], key) if number < len(entries) else [None]
            right = any(same(kind, wanted, value) for value in found)
            agreement.add(corpus, kind, path.name, wanted, found[0], right=right)


def measure_gofeed(folder: Path, agreement: Agreement) -> None:
    """Gofeed's translated feeds. They use one neutral record for every format, as we do."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".xml", ".json") or not path.is_file():
            continue
        agreement.files["gofeed"] += 1
        entries = read(path.read_bytes(), agreement, path.name)
        expected = expected_of(path)
        if expected is None or "translator" not in path.parts:
            continue
        items: list[dict[str, Any]] = expected.get("items") or []
        named = [item for item in items if set(item) & {"title", "link", "guid", "description", "content"}]
        if len(named) == len(items):
            right = len(entries) == len(items)
            agreement.add("gofeed", "entries", path.name, len(items), len(entries), right=right)
        for number, item in enumerate(items):
            entry = entries[number] if number < len(entries) and len(named) == len(items) else None
            if entry is not None:
                compare_gofeed(entry, item, path.name, agreement)


def compare_gofeed(entry: Entry, item: dict[str, Any], name: str, agreement: Agreement) -> None:
    """Compare one item of gofeed's JSON with our entry."""
    kinds = {date.kind: date.at for date in entry.declared.dates}
    found = {
        "title": entry.title,
        "link": entry.url,
        "guid": entry.guid,
        "publishedParsed": kinds.get("published"),
        "updatedParsed": kinds.get("updated"),
    }
    kinds_of = {"publishedParsed": "dates", "updatedParsed": "dates", "title": "titles", "link": "links", "guid": "ids"}
    for key, kind in kinds_of.items():
        if key in item:
            stated = datetime.fromisoformat(item[key]) if kind == "dates" else item[key]
            agreement.add("gofeed", kind, name, stated, found[key], right=same(kind, stated, found[key]))


def expected_of(path: Path) -> dict[str, Any] | None:
    """The JSON file next to a feed. It says what the feed contains."""
    beside = path.with_suffix(".json") if path.suffix == ".xml" else path.with_name(f"{path.stem}_expected.json")
    try:
        read_json: Any = json.loads(beside.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None
    return read_json if isinstance(read_json, dict) else None


def measure(folder: Path) -> Agreement:
    """Both corpora."""
    agreement = Agreement()
    for name in ARCHIVES:
        with tarfile.open(ARCHIVE_FOLDER / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    measure_feedparser(folder / "feedparser-tests", agreement)
    measure_gofeed(folder / "gofeed-tests", agreement)
    return agreement


def to_table(agreement: Agreement) -> Table:
    """Agreement by corpus and kind."""
    files = sum(agreement.files.values())
    worst = f"{len(agreement.crashes)} crashes, slowest {agreement.slowest_seconds:.2f} s"
    title = f"Feed parsing: {files:,} test feeds, {worst}"
    table = Table(title=title, title_justify="left", box=None)
    for column in ("corpus", "what", "agree", "of", "share"):
        table.add_column(column, justify="left" if column in ("corpus", "what") else "right")
    for (corpus, kind), of in sorted(agreement.of.items()):
        right = agreement.right[corpus, kind]
        table.add_row(corpus, kind, f"{right:,}", f"{of:,}", f"{right / of:.1%}")
    for label in ("feedparser wellformed", "gofeed"):
        of = sum(count for (corpus, _), count in agreement.of.items() if corpus == label)
        right = sum(count for (corpus, _), count in agreement.right.items() if corpus == label)
        table.add_row(label, "all", f"{right:,}", f"{of:,}", f"{right / max(1, of):.1%}", style="bold")
    return table


def main(arguments: list[str]) -> None:
    """Measure and print."""
    if not ARCHIVE_FOLDER.is_dir():
        print("The test feeds are not here.")
        return
    with tempfile.TemporaryDirectory() as name:
        agreement = measure(Path(name))
    Console().print(to_table(agreement))
    for line in agreement.crashes:
        print("crash", line)
    if "--disagreements" in arguments:
        for disagreement in agreement.disagreements:
            print(*disagreement, sep=" | ")


if __name__ == "__main__":
    main(sys.argv[1:])
