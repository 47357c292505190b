"""The archive's files: what is kept can be read again, by us and by every WARC tool, also after a kill."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from schemas.article import RawArticle
from services.archive.shelf import Kept, Shelf, find
from services.common.messages import decode
from tests.examples import EXAMPLES

EXAMPLE = decode(RawArticle, (EXAMPLES / "articles.raw" / "valid" / "v2-full.json").read_bytes())
MOST_BYTES = 4000
HALF = b"half a record" * 150
"""More bytes than the next record, which would cover fewer."""


def kept(number: int, content: str | None = None) -> Kept:
    text = content or f"Ünïcode \r\n <p>{number}</p>" * number
    article_id = f"{number:08x}-0000-5000-8000-000000000000"
    article = EXAMPLE.model_copy(update={"article_id": article_id, "content": text, "title": "Zeile 1\nZeile ü"})
    return Kept(article, hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest())


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path, "one", MOST_BYTES)
    yield made
    made.close()


def records(folder: Path) -> list[str]:
    """The ids of all articles in all files, as a WARC tool reads them."""
    found: list[Any] = []
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as file:
            found += [record.rec_headers.get_header("Dragoman-Article") for record in ArchiveIterator(file)]
    return [one for one in found if one]


def test_each_content_of_an_article_is_kept_once(shelf: Shelf, tmp_path: Path) -> None:
    one, other = kept(1), kept(1, "edited")
    assert shelf.keep([one, one, kept(2)]) == 2
    assert shelf.keep([one, other]) == 1
    assert len(records(tmp_path)) == 3
    assert find(tmp_path, one.article.article_id, one.sha256) == one.article
    assert find(tmp_path, one.article.article_id, other.sha256) == other.article
    assert find(tmp_path, one.article.article_id, "0" * 64) is None


def test_files_are_rotated_by_size(shelf: Shelf, tmp_path: Path) -> None:
    wanted = [kept(number) for number in range(3, 200, 5)]
    for one in wanted:
        shelf.keep([one])
    assert len(list(tmp_path.glob("*.warc.gz"))) > 2
    assert records(tmp_path) == [one.article.article_id for one in wanted]
    assert all(find(tmp_path, one.article.article_id, one.sha256) == one.article for one in wanted)


def test_what_a_kill_left_half_written_is_cut_off(shelf: Shelf, tmp_path: Path) -> None:
    shelf.keep([kept(1)])
    shelf._file.write(HALF)
    shelf._file.flush()
    again = Shelf(tmp_path, "one", MOST_BYTES)
    again.keep([kept(2)])
    again.close()
    assert records(tmp_path) == [kept(1).article.article_id, kept(2).article.article_id]
    assert len(list(tmp_path.glob("*.warc.gz"))) == 1


def test_a_disk_that_refuses_in_the_middle_leaves_no_half_record(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.keep([kept(1)])
    with monkeypatch.context() as patched:
        patched.setattr("services.archive.shelf.to_warc", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
        shelf._file.write(HALF)
        with pytest.raises(OSError, match="No space left"):
            shelf.keep([kept(2)])
    assert shelf.keep([kept(2), kept(3)]) == 2
    assert records(tmp_path) == [kept(number).article.article_id for number in (1, 2, 3)]
    two = kept(2)
    assert find(tmp_path, two.article.article_id, two.sha256) == two.article


def test_a_new_file_that_cannot_be_begun_leaves_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.keep([kept(200)])
    shelf.most_bytes = 1
    with monkeypatch.context() as patched:
        patched.setattr(
            "services.archive.shelf.warc_info", lambda _: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                shelf.keep([kept(1)])
    assert len(list(tmp_path.glob("*.warc.gz"))) == 1
    assert shelf.keep([kept(1)]) == 1
    assert records(tmp_path) == [kept(200).article.article_id, kept(1).article.article_id]


def test_many_files_can_begin_in_a_moment(shelf: Shelf, tmp_path: Path) -> None:
    shelf.most_bytes = 1
    assert sum(shelf.keep([kept(number)]) for number in range(1, 60)) == 59
    assert len(records(tmp_path)) == 59


def test_two_processes_have_files_of_their_own(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(tmp_path, "two", MOST_BYTES)
    shelf.keep([kept(1)])
    other.keep([kept(2)])
    assert other.keep([kept(1)]) == 0
    other.close()
    assert sorted(records(tmp_path)) == [kept(1).article.article_id, kept(2).article.article_id]


def test_what_somebody_has_removed_is_not_found(shelf: Shelf, tmp_path: Path) -> None:
    one = kept(1)
    shelf.keep([one])
    for path in tmp_path.glob("*.warc.gz"):
        path.unlink()
    assert find(tmp_path, one.article.article_id, one.sha256) is None


def test_without_an_archive_nothing_is_found_and_nothing_is_made(tmp_path: Path) -> None:
    assert find(tmp_path / "nowhere", "a", "b") is None
    assert not (tmp_path / "nowhere").exists()
