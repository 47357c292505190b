"""WARC, CSV, JSON lines with a column map, feeds in files: all are streamed, and a bad record affects no other."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import brotli
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
    first, odd, last = [item for item in items if isinstance(item, Entry)]
    assert (odd.guid, odd.published_at, odd.note) == ("4", None, "published_at is not understood and was left out")
    assert first.content == 'A text; with "quotes"\nand lines'
    assert first.published_at == datetime(2024, 5, 1, tzinfo=UTC), "without a zone it is UTC"
    assert [author.value for author in first.declared.authors] == ["Ana"]
    assert (last.guid, last.published_at) == ("5", datetime(2024, 5, 1, 8, tzinfo=UTC))
    assert [item.guid for item in items if isinstance(item, Problem)] == ["export.csv:4", "export.csv:5"]


def test_a_csv_without_the_columns_says_which_it_has(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(CSV, encoding="utf8")
    with pytest.raises(SourceError, match=r"guid and content.*body.*--columns"):
        read(path, Columns())


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Le maire a inauguré « après » l’été.", "cp1252"),
        ("El niño comió “ayer” — mañana.", "cp1252"),
        ("Мост открыт для движения сегодня утром", "cp1251"),
        ("Zażółć gęślą jaźń, prezydent powiedział w środę", "cp1250"),
        ("Die Brücke ist für Fußgänger geöffnet.", "utf-16"),
    ],
)
def test_a_row_in_another_encoding_keeps_its_words_and_leaves_its_neighbours_alone(
    tmp_path: Path, words: str, encoding: str
) -> None:
    path = tmp_path / "export.tsv"
    if encoding == "utf-16":
        path.write_text(f"guid\tcontent\n1\tgood é\n2\t{words}\n3\tgood\n", encoding=encoding)
    else:
        path.write_bytes("guid\tcontent\n1\tgood é\n2\t".encode() + words.encode(encoding) + b"\n3\tgood\n")
    items = read(path, Columns())
    assert [item.content for item in items if isinstance(item, Entry)] == ["good é", words, "good"]


def test_a_quote_that_is_never_closed_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text('guid,content\na1,One.\na2,"Two.\na3,Three.\na4,"Four, with a comma"\na5,Five.\n')
    items = read(path, Columns())
    assert [item.content for item in items if isinstance(item, Entry)] == [
        "One.",
        "Two.",
        "Three.",
        "Four, with a comma",
        "Five.",
    ]
    assert "not closed" in (items[1].note or "")  # type: ignore[union-attr]


def test_hints_that_are_not_understood_cost_no_article(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    rows: list[dict[str, object]] = [
        {"published_at": "Mon, 02 Mar 2026 10:00:00 GMT"},
        {"published_at": "2026/03/02 10:00"},
        {"published_at": 1772445600},
        {"published_at": "1772445600000"},
        {"published_at": "the day before"},
        {"declared_language": "en_GB"},
        {"declared_language": "English (UK)"},
        {"url": "www.example.org/a?b=1"},
        {"url": "//example.org/a"},
        {"url": "not an address"},
        {
            "url": "ftp://example.org/a",
            "title": 7,
            "authors": {"name": "Ann"},
            "content_type": "text/html; charset=utf-8",
        },
    ]
    lines = [json.dumps({"guid": str(number), "content": "Words.", **row}) for number, row in enumerate(rows)]
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode() + b'\n{"guid": "raw", "content": "One\tTwo \\x"}\n')
    items = read(path, Columns())
    entries = [item for item in items if isinstance(item, Entry)]
    assert len(entries) == len(items) == len(rows) + 1
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert [entry.published_at for entry in entries[:5]] == [at, at, at, at, None]
    assert [entry.declared_language for entry in entries[5:7]] == ["en-GB", None]
    assert [entry.url for entry in entries[7:11]] == [
        "https://www.example.org/a?b=1",
        "https://example.org/a",
        None,
        None,
    ]
    assert [bool(entry.note) for entry in entries] == [False] * 4 + [True, False, True, False, False, True, True, False]


DAMAGED = {
    "junk between members": lambda members: [members[0], b"junk" * 20, *members[1:]],
    "zero bytes between members": lambda members: [members[0], bytes(64), *members[1:]],
    "a broken member": lambda members: [members[0], members[1][:60] + b"\xff" * 40 + members[1][100:], *members[2:]],
    "a cut member": lambda members: [members[0], members[1][:100], *members[2:]],
    "a cut end": lambda members: [*members[:-1], members[-1][:-40]],
    "a missing beginning": lambda members: [members[0][20:], *members[1:]],
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("ending", [".warc.gz", ".warc.zst"])
def test_a_damaged_part_of_an_archive_costs_itself_and_is_told(tmp_path: Path, damage: str, ending: str) -> None:
    plain = [warc((f"https://e.org/{number}", *RECORDS[0][1:]), compress=False) for number in range(4)]
    pack = gzip.compress if ending == ".warc.gz" else zstandard.ZstdCompressor(write_checksum=True).compress
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"".join(DAMAGED[damage]([pack(record) for record in plain])))
    items = list(open_source(path, OPTIONS).entries())
    found = {item.guid[-1] for item in items if isinstance(item, Entry)}
    lost = {"junk between members": set(), "zero bytes between members": set(), "a cut end": {"3"}}
    lost["a missing beginning"] = {"0"}
    assert found == {"0", "1", "2", "3"} - lost.get(damage, {"1"})
    told = [item.reason for item in items if isinstance(item, Problem)]
    assert bool(told) == (damage != "zero bytes between members"), told


@pytest.mark.parametrize("stated", [b"9215", b"1", b"", b"x"])
def test_a_record_with_a_wrong_length_is_read_and_so_are_its_neighbours(tmp_path: Path, stated: bytes) -> None:
    records = [warc((f"https://e.org/{number}", *RECORDS[0][1:]), compress=False) for number in range(3)]
    start = records[1].index(b"Content-Length: ") + len(b"Content-Length: ")
    records[1] = records[1][:start] + stated + records[1][records[1].index(b"\r\n", start) :]
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(records))
    items = list(open_source(path, OPTIONS).entries())
    assert [item.guid[-1] for item in items if isinstance(item, Entry)] == ["0", "1", "2"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity", "gzip, gzip", "none"])
def test_a_body_of_an_archive_is_read_in_every_encoding_and_without_a_type(tmp_path: Path, encoding: str) -> None:
    packed = PAGE
    for name in encoding.split(", "):
        pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress}.get(name)
        packed = pack(packed) if pack else packed
    path = tmp_path / "a.warc"
    plain = warc(("https://e.org/1", "200 text/html", packed), compress=False)
    path.write_bytes(plain.replace(b"Content-Type: text/html", b"Content-Encoding: " + encoding.ljust(5).encode()))
    archive = path.read_bytes()
    assert b"text/html" not in archive
    (entry,) = open_source(path, OPTIONS).entries()
    assert isinstance(entry, Entry)
    assert "Words of the page." in entry.content


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
