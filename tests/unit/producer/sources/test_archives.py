"""WARC, CSV, JSON lines with a column map, feeds in files: all are streamed, and a bad record affects no other."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from schemas.article import ContentType
from schemas.feed import Columns
from services.producer.sources import Entry, Problem, SourceError, SourceOptions, open_place, open_source
from services.producer.sources.base import ProblemKind

OPTIONS = SourceOptions(source_id=None, max_article_bytes=100_000, max_document_bytes=500_000)
PAGE = (
    b"<html lang='en'><head><script>x</script></head><body><article><p>Words of the page.</p></article></body></html>"
)
RSS = b"<rss version='2.0'><channel><item><guid>g</guid><title>In a feed</title></item></channel></rss>"


def warc(*records: tuple[str, str, bytes], compress: bool = True) -> bytes:
    """An archive of (URL, status and type, body)."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=compress)
    for url, about, body in records:
        status, _, kind = about.partition(" ")
        headers = StatusAndHeaders(f"{status} X", [("Content-Type", kind)], protocol="HTTP/1.1")
        made = writer.create_warc_record(
            url,
            "response",
            payload=io.BytesIO(body),
            http_headers=headers,
            warc_headers_dict={"WARC-Date": "2024-05-01T10:00:00Z"},
        )
        writer.write_record(made)
    return out.getvalue()


RECORDS = (
    ("https://e.org/1", "200 text/html; charset=utf-8", PAGE),
    ("https://e.org/gone", "404 text/html", PAGE),
    ("https://e.org/picture", "200 image/png", b"\x89PNG"),
    ("https://e.org/empty", "200 text/html", b""),
    ("https://e.org/large", "200 text/html", b"<p>" + b"word " * 200_000),
    ("https://e.org/rss", "200 application/rss+xml", RSS),
    ("https://e.org/2", "200 text/html", PAGE),
)


def with_dictionary(plain: bytes) -> bytes:
    """The WARC convention: the dictionary is in a skippable frame at the beginning."""
    samples = [plain[start : start + 100] for start in range(0, 4000, 20)]
    data = zstandard.train_dictionary(1024, samples).as_bytes()
    head = struct.pack("<II", 0x184D2A5D, len(data)) + data
    return head + zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(data)).compress(plain)


PACKED = {
    "a.warc": lambda plain: plain,
    "a.warc.gz": lambda _: warc(*RECORDS),
    "a.warc.zst": lambda plain: (
        zstandard.ZstdCompressor().compress(plain[:500]) + zstandard.ZstdCompressor().compress(plain[500:])
    ),
    "b.warc.zst": with_dictionary,
}


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_gives_its_pages_and_feeds_in_every_packing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name](warc(*RECORDS, compress=False)))
    items = list(open_source(path, OPTIONS).entries())
    entries = {item.guid: item for item in items if isinstance(item, Entry)}
    problems = {item.guid: item for item in items if isinstance(item, Problem)}
    assert list(entries) == ["https://e.org/1", "g", "https://e.org/2"]
    page = entries["https://e.org/1"]
    assert (page.content_type, page.source_id, page.declared_language) == (ContentType.HTML, name[0], "en")
    assert "<script" not in page.content
    assert (page.published_at, page.happened_at) == (None, datetime(2024, 5, 1, 10, tzinfo=UTC))
    assert [date.kind for date in page.declared.dates] == ["archived"]
    assert problems["https://e.org/large"].kind is ProblemKind.TOO_LARGE
    assert problems["https://e.org/large"].kept_at == f"{path} (https://e.org/large)"
    assert problems.keys() == {"https://e.org/large", "https://e.org/empty"}


def test_an_archive_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "cut.warc.gz"
    whole = warc(*RECORDS[:1]) + warc(*RECORDS[:1])
    path.write_bytes(whole[: -len(whole) // 4])
    items = list(open_source(path, OPTIONS).entries())
    assert isinstance(items[0], Entry)
    path.write_bytes(b"no archive at all, whatever it is called\n" * 50)
    assert all(isinstance(item, Problem) for item in open_source(path, OPTIONS).entries())


def test_memory_stays_flat(tmp_path: Path) -> None:
    """50 MB of JSON lines and 20 MB of WARC: the peak of memory is that of a few items."""
    lines = tmp_path / "big.jsonl"
    with lines.open("w") as file:
        for number in range(1000):
            file.write(json.dumps({"guid": str(number), "content": "word " * 10_000}) + "\n")
    archive = tmp_path / "big.warc"
    archive.write_bytes(warc(*[(*RECORDS[0][:2], PAGE + b" " * 100_000)] * 200, compress=False))
    for path, count in ((lines, 1000), (archive, 200)):
        tracemalloc.start()
        assert sum(isinstance(item, Entry) for item in open_source(path, OPTIONS).entries()) == count
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 1024 * 1024, path.name


CSV = """id;body;when;who;extra
1;"A text; with ""quotes""
and lines";2024-05-01;Ana;x
2;;2024-05-01;;
;no name;;;
4;fine;yesterday;;
5;Zweiter Text;2024-05-01T10:00:00+02:00;Ben;
"""
MAP = Columns(guid="id", content="body", published_at="when", authors="who")


def read(path: Path, columns: Columns) -> list[Entry | Problem]:
    return list(open_source(path, SourceOptions(None, 100_000, columns)).entries())


def test_rows_of_a_csv_are_articles_by_a_column_map(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("\ufeff" + CSV, encoding="utf8")
    items = read(path, MAP)
    first, last = [item for item in items if isinstance(item, Entry)]
    assert first.content == 'A text; with "quotes"\nand lines'
    assert first.published_at == datetime(2024, 5, 1, tzinfo=UTC), "without a zone it is UTC"
    assert [author.value for author in first.declared.authors] == ["Ana"]
    assert (last.guid, last.published_at) == ("5", datetime(2024, 5, 1, 8, tzinfo=UTC))
    assert [item.guid for item in items if isinstance(item, Problem)] == [
        "export.csv:4",
        "export.csv:5",
        "export.csv:6",
    ]


def test_a_csv_without_the_columns_says_which_it_has(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(CSV, encoding="utf8")
    with pytest.raises(SourceError, match=r"guid and content.*body.*--columns"):
        read(path, Columns())


def test_bad_bytes_in_a_row_are_alone(tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"
    path.write_bytes(b"guid\tcontent\n1\tgood\n2\tb\xff\xfed\n3\tgood\n")
    items = read(path, Columns())
    assert [isinstance(item, Entry) for item in items] == [True, False, True]


def test_json_lines_by_a_column_map_look_inside_objects(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"_id": 7, "doc": {"text": "Words."}, "tags": ["a", "b"]}\n[1]\n{"_id": 8}\n', encoding="utf8")
    first, second, third = read(path, Columns(guid="_id", content="doc.text"))
    assert isinstance(first, Entry)
    assert (first.guid, first.content, [tag.value for tag in first.declared.tags]) == ("7", "Words.", ["a", "b"])
    assert isinstance(second, Problem)
    assert isinstance(third, Problem)


def test_a_feed_in_a_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "saved.xml"
    path.write_bytes(RSS)
    (entry,) = open_source(path, OPTIONS).entries()
    assert isinstance(entry, Entry)
    assert (entry.guid, entry.content, entry.source_id) == ("g", "In a feed", "saved")
    path.write_bytes(b"<opml><body><outline xmlUrl='https://e.org/'/></body></opml>")
    with pytest.raises(SourceError, match="feeds import"):
        list(open_source(path, OPTIONS).entries())


@pytest.mark.parametrize("place", ["kafka://host:9092", "kafka:///topic", "kafka://h:1/a/b"])
def test_a_topic_needs_a_server_and_a_name(place: str) -> None:
    with pytest.raises(SourceError, match="kafka://host:port/topic"):
        open_place(place, OPTIONS)


def test_only_what_changed_of_a_folder_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    since = (tmp_path / "a.txt").stat().st_ctime
    later = SourceOptions(None, 100_000, changed_since=since + 5)
    assert list(open_source(tmp_path, later).entries()) == []
    assert len(list(open_source(tmp_path, SourceOptions(None, 100_000, changed_since=since)).entries())) == 1


def test_gzip_of_gzip_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(gzip.compress(warc(RECORDS[0]))))
    assert all(isinstance(item, Problem) for item in open_source(path, OPTIONS).entries())
