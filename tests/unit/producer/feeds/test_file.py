"""The feeds file: every error has its line and field, and every edit keeps the comments."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # comes with check-jsonschema
import pytest
import yaml

from schemas.feed import Feed, FeedsFile, FeedType
from services.producer.feeds.file import (
    FeedsFileError,
    UnknownFeedError,
    add_feed,
    edit_feeds,
    expand,
    free_id,
    load_feeds,
    make_first_file,
    missing_variables,
    set_paused,
)
from services.producer.settings import ProducerSettings

ROOT = Path(__file__).parents[4]
GOOD = """# my feeds
feeds:
  # the first
  - id: one   # keep me
    url: 'https://e.org/rss'
    interval: 15m
    tags: [a, "b"]

  - id: two
    path: inbox
    paused: true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "feeds.yaml"
    path.write_text(GOOD, encoding="utf8")
    return path


def test_a_good_file_loads(file: Path) -> None:
    first, second = load_feeds(file).feeds
    assert (first.interval, first.tags) == (900, ("a", "b"))
    assert (second.path, second.paused, second.interval) == ("inbox", True, "auto")


MISTAKES = {
    "interval: 15m": ("interval: 15", 6, "feeds.one.interval", "unit"),
    "id: two": ("id: one", 1, "", "same id"),
    "path: inbox": ("pth: inbox", 10, "feeds.two.pth", "did you mean path"),
    "url: 'https://e.org/rss'": ("url: ftp://e.org", 4, "feeds.one", "http"),
    "id: one ": ("id: Ö ", 4, "feeds.Ö.id", "small letters"),
    "paused: true": ("paused: perhaps", 11, "feeds.two.paused", "boolean"),
    "tags: [a,": ("tags: [[a],", 7, "feeds.one.tags.1", "string"),
    "  - id: two\n": ("  - idd: two\n", 9, "feeds.2", ""),
}


@pytest.mark.parametrize("before", MISTAKES, ids=list(MISTAKES))
def test_a_mistake_is_named_by_line_and_field(file: Path, before: str) -> None:
    after, line, field, words = MISTAKES[before]
    file.write_text(GOOD.replace(before, after), encoding="utf8")
    with pytest.raises(FeedsFileError) as caught:
        load_feeds(file)
    found = [
        problem for problem in caught.value.problems if problem.field.startswith(field) and words in problem.message
    ]
    assert found, str(caught.value)
    assert abs(found[0].line - line) <= 1
    assert str(found[0]).startswith(f"{file}:{found[0].line}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [("feeds:\n  - id: [\n", "YAML"), ("- a\n", "feeds:"), ("\tfeeds: x", "YAML"), ("feeds: 3\n", "tuple")],
)
def test_what_is_no_such_file_says_so(file: Path, text: str, words: str) -> None:
    file.write_text(text, encoding="utf8")
    with pytest.raises(FeedsFileError, match=words):
        load_feeds(file)


def test_an_empty_file_has_no_feeds(file: Path) -> None:
    for text in ("", "feeds:\n", "# nothing\n"):
        file.write_text(text, encoding="utf8")
        assert load_feeds(file).feeds == ()


def test_a_secret_in_a_url_is_refused(file: Path) -> None:
    file.write_text("feeds:\n  - {id: a, url: 'https://user:secret@e.org/'}\n", encoding="utf8")
    with pytest.raises(FeedsFileError, match="headers") as caught:
        load_feeds(file)
    assert "user:secret" not in str(caught.value)


def test_edits_keep_every_comment_and_quote(file: Path) -> None:
    def change(feeds: object) -> None:
        add_feed(feeds, Feed(id="three", url="https://e.org/3", interval="90s", type=FeedType.SITEMAP))  # type: ignore[arg-type]
        set_paused(feeds, "two", paused=False)  # type: ignore[arg-type]
        set_paused(feeds, "one", paused=True)  # type: ignore[arg-type]

    edit_feeds(file, change)
    text = file.read_text(encoding="utf8")
    for kept in ("# my feeds", "# the first", "# keep me", "'https://e.org/rss'", 'tags: [a, "b"]'):
        assert kept in text
    one, two, three = load_feeds(file).feeds
    assert (one.paused, two.paused) == (True, False)
    assert (three.id, three.interval, three.type) == ("three", 90, FeedType.SITEMAP)
    assert [path.name for path in file.parent.iterdir()] == ["feeds.yaml"]


def test_an_edit_that_would_not_load_is_not_written(file: Path) -> None:
    with pytest.raises(FeedsFileError, match="same id"):
        edit_feeds(file, lambda feeds: add_feed(feeds, Feed(id="one", url="https://e.org/x")))
    assert file.read_text(encoding="utf8") == GOOD


def test_an_unknown_feed_names_those_that_there_are(file: Path) -> None:
    with pytest.raises(UnknownFeedError, match="one, two"):
        edit_feeds(file, lambda feeds: set_paused(feeds, "three", paused=True) and None)


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "feeds.yaml"
    edit_feeds(path, lambda feeds: add_feed(feeds, Feed(id="a", url="https://e.org/")))
    assert [feed.id for feed in load_feeds(path).feeds] == ["a"]


def test_variables_come_from_the_environment_and_missing_ones_are_named() -> None:
    feed = Feed(id="a", url="https://e.org/?k=${KEY}", headers={"X": "Bearer ${TOKEN}"})
    assert missing_variables(feed, {"KEY": "1"}) == ["TOKEN"]
    assert expand("Bearer ${TOKEN}", {"TOKEN": "t"}) == "Bearer t"
    with pytest.raises(KeyError, match="TOKEN"):
        expand("${TOKEN}", {"TOKEN": ""})


def test_ids_are_made_of_names_and_are_free() -> None:
    assert free_id("www.BBC.co.uk", ()) == "bbc-co-uk"
    assert free_id("bbc.co.uk", ("bbc-co-uk", "bbc-co-uk-2")) == "bbc-co-uk-3"
    assert free_id("新闻", ()) == "feed"


def test_the_shipped_file_is_good_collects_nothing_and_fits_its_json_schema() -> None:
    path = ROOT / "seeds" / "feeds.yaml"
    loaded = load_feeds(path)
    assert loaded.feeds
    assert all(feed.paused for feed in loaded.feeds)
    schema = FeedsFile.model_json_schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf8")))] == []


# --- the feeds file of a new home -------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProducerSettings:
    """A new home, and a working folder without a feeds file."""
    monkeypatch.delenv("DRAGOMAN_FEEDS", raising=False)
    monkeypatch.chdir(tmp_path)
    return ProducerSettings(home=tmp_path / "home")


def test_a_new_home_begins_with_the_example(home: ProducerSettings) -> None:
    assert home.feeds == home.home / "feeds.yaml"
    assert make_first_file(home) == ROOT / "seeds" / "feeds.yaml"
    assert load_feeds(home.feeds) == load_feeds(ROOT / "seeds" / "feeds.yaml")
    text = home.feeds.read_text()
    assert "# The feeds that the producer collects" in text
    assert "$schema" not in text, "its path would lead nowhere from here"


def test_the_file_of_before_is_taken_over_with_its_comments_and_paths(home: ProducerSettings, tmp_path: Path) -> None:
    """Nothing silently begins anew: until 0.1.0 the file lay in the working folder."""
    former = tmp_path / "seeds" / "feeds.yaml"
    former.parent.mkdir()
    former.write_text("feeds:\n  # mine\n  - id: inbox\n    path: inbox\n  - id: a\n    url: https://a.org/\n")
    assert make_first_file(home) == former
    loaded = load_feeds(home.feeds)
    assert [feed.id for feed in loaded.feeds] == ["inbox", "a"]
    assert loaded.feeds[0].path == str(tmp_path / "seeds" / "inbox")
    assert "# mine" in home.feeds.read_text()


def test_a_file_of_before_with_mistakes_is_taken_over_as_it_is(home: ProducerSettings, tmp_path: Path) -> None:
    former = tmp_path / "seeds" / "feeds.yaml"
    former.parent.mkdir()
    former.write_bytes(b"feeds: [\xff\n")
    make_first_file(home)
    assert home.feeds.read_bytes() == b"feeds: [\xff\n"


def test_a_feeds_file_that_is_there_is_never_touched(home: ProducerSettings) -> None:
    home.home.mkdir()
    home.feeds.write_text("feeds: []\n")
    assert make_first_file(home) is None
    assert home.feeds.read_text() == "feeds: []\n"


def test_a_file_that_the_user_names_is_not_made(home: ProducerSettings, tmp_path: Path) -> None:
    named = home.model_copy(update={"feeds": tmp_path / "named.yaml"})
    assert make_first_file(named) is None
    assert not named.feeds.exists()
