"""Sources give every good item and name every bad one. No bad item stops the others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from schemas.article import ContentType
from services.producer.sources import Entry, Problem, SourceError, SourceOptions, open_source
from services.producer.sources.base import ProblemKind
from services.producer.sources.text import decode_text, is_binary

OPTIONS = SourceOptions(source_id=None, max_article_bytes=100_000)


def read(path: Path, options: SourceOptions = OPTIONS) -> dict[str, Entry | Problem]:
    return {item.guid: item for item in open_source(path, options).entries()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "newsroom"
    (root / "sub").mkdir(parents=True)
    (root / "good.txt").write_text("Plain text.", encoding="utf8")
    (root / "sub" / "page.html").write_text("<p>Hello</p>", encoding="utf8")
    return root


def test_guids_are_paths_and_the_source_is_the_folder(folder: Path) -> None:
    items = read(folder)
    assert list(items) == ["good.txt", "sub/page.html"]
    assert {item.source_id for item in items.values()} == {"newsroom"}
    assert [item.content_type for item in items.values() if isinstance(item, Entry)] == [
        ContentType.TEXT,
        ContentType.HTML,
    ]


def test_one_file_has_its_folders_source(folder: Path) -> None:
    item = read(folder / "good.txt")["good.txt"]
    assert item.source_id == "newsroom"


BAD = {
    "empty": (b"", ProblemKind.EMPTY),
    "blank": (b" \n\t\n", ProblemKind.EMPTY),
    "binary": (bytes(range(256)) * 20, ProblemKind.BINARY),
    "large": (b"word " * 1_000_000, ProblemKind.TOO_LARGE),
    "broken UTF-16": (b"\xff\xfe\x00\xd8\x41\x00\x61", ProblemKind.UNDECODABLE),
}


@pytest.mark.parametrize(("data", "kind"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_and_its_neighbours_come_out(folder: Path, data: bytes, kind: ProblemKind) -> None:
    (folder / "bad.txt").write_bytes(data)
    items = read(folder)
    problem = items.pop("bad.txt")
    assert isinstance(problem, Problem)
    assert problem.kind is kind
    assert problem.reason
    assert all(isinstance(item, Entry) for item in items.values())
    assert len(items) == 2


def test_a_file_that_vanishes_is_named(folder: Path) -> None:
    source = open_source(folder, OPTIONS)
    (folder / "good.txt").unlink()
    problem = next(iter(source.entries()))
    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.VANISHED


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "inside.txt").symlink_to(folder / "good.txt")
    items = read(folder)
    assert isinstance(items["link.txt"], Problem)
    assert items["link.txt"].kind is ProblemKind.OUTSIDE
    assert isinstance(items["inside.txt"], Entry)


def test_hidden_files_are_no_articles(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\x00\x01")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.txt").write_text("x")
    assert len(read(folder)) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(folder: Path) -> None:
    (folder / "good.txt").chmod(0)
    item = read(folder)["good.txt"]
    assert isinstance(item, Problem)
    assert item.kind is ProblemKind.UNREADABLE


RUSSIAN = "Министр иностранных дел прибыл в Пекин с рабочим визитом в понедельник утром."
ENCODED = {
    "utf-8": "Привет, мир".encode(),
    "utf-8 with mark": b"\xef\xbb\xbf" + "Привет, мир".encode(),
    "utf-16": "Привет, мир".encode("utf-16"),
    "declared": b'<meta charset="windows-1251">' + "Привет, мир".encode("cp1251"),
}


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_text_is_decoded_as_marked_or_declared(data: bytes) -> None:
    assert not is_binary(data)
    assert decode_text(data)[0].endswith("Привет, мир")


def test_an_undeclared_encoding_is_detected_and_said(folder: Path) -> None:
    (folder / "old.txt").write_bytes((RUSSIAN * 5).encode("cp1251"))
    item = read(folder)["old.txt"]
    assert isinstance(item, Entry)
    assert item.content.startswith("Министр")
    assert item.note is not None


def jsonl(path: Path, *lines: object) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text + "\n", encoding="utf8")
    return path


def test_lines_are_articles_and_bad_ones_have_their_number(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "wire.jsonl",
        {"guid": "1", "content": "a", "published_at": "2023-06-01T12:00:00+02:00", "declared_language": "nl"},
        "{broken",
        "",
        {"guid": "3"},
        {"guid": "4", "content": "b", "source_id": "other", "unknown": 1},
        {"guid": "5", "content": "x" * 200_000},
        {"guid": "6", "content": "c", "published_at": "2023-06-01"},
    )
    items = list(open_source(path, OPTIONS).entries())
    entries = [item for item in items if isinstance(item, Entry)]
    problems = [item for item in items if isinstance(item, Problem)]
    assert [(entry.guid, entry.source_id) for entry in entries] == [("1", "wire"), ("4", "other"), ("6", "wire")]
    assert [problem.guid for problem in problems] == ["wire.jsonl:2", "wire.jsonl:4", "5"]
    assert [problem.kind for problem in problems][2] is ProblemKind.TOO_LARGE
    assert open_source(path, OPTIONS).total == 6


def test_what_is_no_source_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    for path in (tmp_path / "nowhere", tmp_path / "picture.png"):
        with pytest.raises(SourceError, match=path.name):
            open_source(path, OPTIONS)


def test_valid_utf_8_is_utf_8_whatever_a_template_or_a_sentence_declares(folder: Path) -> None:
    (folder / "undefined.html").write_text('<meta charset="undefined"><p>Zürich é</p>', encoding="utf8")
    (folder / "mentions.txt").write_text("The file said encoding = latin-1, wrote Zoë.", encoding="utf8")
    items = read(folder)
    for name, word in (("undefined.html", "Zürich"), ("mentions.txt", "Zoë")):
        item = items[name]
        assert isinstance(item, Entry)
        assert word in item.content


def test_a_file_that_grows_past_the_limit_when_decoded_is_too_large(folder: Path) -> None:
    (folder / "grows.txt").write_bytes((RUSSIAN * 900).encode("cp1251"))
    item = read(folder)["grows.txt"]
    assert isinstance(item, Problem)
    assert item.kind is ProblemKind.TOO_LARGE


def test_a_name_that_is_no_utf_8_is_an_article_too(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/caf\xe9.txt", "w") as file:  # noqa: PTH123 - bytes
        file.write("Text.")
    names = [name for name in read(folder) if name.startswith("caf")]
    assert len(names) == 1
    names[0].encode("utf8")
