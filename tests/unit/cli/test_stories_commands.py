"""`dragoman stories`: stories are listed and shown, and what people say of them reaches Kafka and the training file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.story import StoryEdit
from services.common.messages import encode
from services.indexer.indices import NOT_MERGED
from tests.fakes import FakeElasticsearch, FakeKafka

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
FIRE, COPY, FLOOD, LONE = (f"{digit * 8}-0000-5000-8000-{digit * 12}" for digit in "abcd")
OLD = "eeeeeeee-0000-5000-8000-eeeeeeeeeeee"


@pytest.fixture
def news(elastic: FakeElasticsearch, example: Example) -> FakeElasticsearch:
    """A story of a fire with an article, its copy and a flood's; a lone article; a story merged into the first."""
    for number, (one, story, fields) in enumerate(
        [
            (FIRE, FIRE, {"title": "Fire [live]"}),
            (COPY, FIRE, {"title": None, "text": "The mill burned.", "duplicate_of": FIRE}),
            (FLOOD, FIRE, {"title": "Flood"}),
            (LONE, LONE, {"title": "Lone", "source_id": "other"}),
        ]
    ):
        at = {
            "article_id": one,
            "guid": f"guid {number}",
            "url": None,
            "fetched_at": f"2026-01-0{number + 1}T00:00:00Z",
        }
        document = example("articles.grouped", "v2-opened") | at | {"story_id": story} | fields
        elastic.put("articles-v2", one, document)
    edition = {"language": "nl", "articles": 3, "article_id": FIRE, "title": "Brand", "sentence": "De fabriek brandde."}
    whole = example("stories", "v2-full", story_id=FIRE, title="Fire [live]", articles=3, editions=[edition])
    whole["related"] = [{"story_id": LONE, "title": None, "shared": ["Q1"]}]
    edition = {"language": "en", "articles": 1, "article_id": LONE, "title": None, "sentence": "A sentence."}
    lone = {
        "editions": [edition],
        "articles": 1,
        "duplicates": 0,
        "languages": ["en"],
        "last_seen_at": "2026-02-01T10:00:00Z",
        "headline": "A sentence.",
    }
    elastic.put("stories-v2", FIRE, whole)
    elastic.put("stories-v2", LONE, example("stories", "v2-full", story_id=LONE, title=None, **lone))
    elastic.put("stories-v2", OLD, example("stories", "v2-merged", story_id=OLD, merged_into=FIRE))
    elastic.aliases |= {
        "articles": {"articles-v2": True},
        "stories": {"stories-v2": True},
        "stories-all": {"stories-v2": True},
    }
    elastic.filters["stories"] = NOT_MERGED
    return elastic


def sent(kafka: FakeKafka) -> list[StoryEdit]:
    (partition,) = kafka.partitions("stories.edits")
    edits = [StoryEdit.model_validate_json(record.value) for record in kafka.logs[partition]]
    assert [record.key.decode() for record in kafka.logs[partition]] == [edit.edit_id for edit in edits]
    return edits


# --- list and show ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("news")
def test_list_has_the_latest_first_and_no_merged_ones(dragoman: Run) -> None:
    stories = json.loads(dragoman("stories", "list", "--json").stdout)
    assert [story["story_id"] for story in stories] == [LONE, FIRE]
    said = dragoman("stories", "list").stdout.splitlines()
    assert said == [
        "A sentence.",
        "  dddddddd  2026-02-01T10:00  1 articles (0 copies)  1 outlets  en",
        "Fire [live]",
        "  aaaaaaaa  2023-06-01T12:00  3 articles (1 copies)  1 outlets  nl",
    ]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--language", "nl"], [FIRE]),
        (["--since", "2026-01-01"], [LONE]),
        (["--limit", "1"], [LONE]),
        (["--language", "fr"], []),
    ],
)
@pytest.mark.usefixtures("news")
def test_list_filters(dragoman: Run, options: list[str], ids: list[str]) -> None:
    stories = json.loads(dragoman("stories", "list", "--json", *options).stdout)
    assert [story["story_id"] for story in stories] == ids


@pytest.mark.usefixtures("news")
def test_no_stories_are_said(dragoman: Run) -> None:
    assert dragoman("stories", "list", "--language", "fr").stdout == "No stories.\n"


@pytest.mark.usefixtures("elastic")
def test_a_missing_index_ends_in_a_sentence(dragoman: Run) -> None:
    result = dragoman("stories", "list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "There is no index stories yet. Start the stack with `dragoman up`.\n"


@pytest.mark.usefixtures("news")
def test_show_tells_editions_entities_related_stories_and_members(dragoman: Run) -> None:
    result = dragoman("stories", "show", "aaaaaaaa")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"Fire [live]  {FIRE}",
        "  3 articles, 1 of them copies, 1 outlets: example",
        "  2023-06-01T12:00 to 2023-06-01T12:00  ▆",
        "  nl: Brand",
        "      De fabriek brandde.",
        "  entities: China (2)",
        "  related: dddddddd -",
        "    aaaaaaaa nl Fire [live]",
        "    bbbbbbbb nl The mill burned.  copy of aaaaaaaa",
        "    cccccccc nl Flood",
    ]


@pytest.mark.usefixtures("news")
def test_a_merged_story_is_shown_as_the_one_it_is_in(dragoman: Run) -> None:
    result = dragoman("stories", "show", OLD)
    assert result.stderr == "eeeeeeee was merged into this one.\n"
    assert FIRE in result.stdout


@pytest.mark.usefixtures("news")
def test_json_of_a_story_has_its_members(dragoman: Run) -> None:
    story = json.loads(dragoman("stories", "show", OLD, "--json").stdout)
    assert story["story_id"] == FIRE
    assert [member["article_id"] for member in story["members"]] == [FIRE, COPY, FLOOD]
    assert story["members"][1] == {
        "article_id": COPY,
        "title": None,
        "source_id": "example",
        "published_at": "2021-03-19T00:00:00Z",
        "fetched_at": "2026-01-02T00:00:00Z",
        "duplicate_of": FIRE,
        "supersedes": None,
        "language": "nl",
    }


@pytest.mark.usefixtures("news")
def test_an_unknown_story_is_refused(dragoman: Run) -> None:
    result = dragoman("stories", "show", "99999999")
    assert (result.exit_code, result.stderr) == (2, "'99999999' names no story.\n")


# --- edits ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("news")
def test_merge_sends_an_edit_of_articles_and_of_stories(dragoman: Run, kafka: FakeKafka) -> None:
    result = dragoman(
        "stories", "merge", "guid 3", OLD, "dddddddd", "--reason", "the same fire", "--by", "ann", "--json"
    )
    assert result.exit_code == 0, result.stderr
    (edit,) = sent(kafka)
    assert (edit.action, edit.articles, edit.other) == ("merge", (LONE, FIRE), None)
    assert (edit.made_by, edit.reason) == ("ann", "the same fire")
    assert json.loads(result.stdout) == {**edit.model_dump(mode="json"), "done": True}
    assert kafka.journal[-1] == "flush"


@pytest.mark.usefixtures("news")
def test_an_edit_is_of_the_person_who_is_logged_in(
    dragoman: Run, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "bob")
    said = dragoman("stories", "merge", FIRE, LONE).stdout
    (edit,) = sent(kafka)
    assert edit.made_by == "bob"
    assert said == f"Merge {edit.edit_id} of 2 articles is on its way.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["merge", FIRE, "guid 0"], "Name at least two different articles."),
        (["merge", FIRE, "nothing"], "No article has the id, guid or URL 'nothing'."),
        (["split", LONE], "Story dddddddd has no other article, so there is nothing to split it from."),
        (["split", FIRE, FLOOD], "Story aaaaaaaa has no other article, so there is nothing to split it from."),
        (["pin", LONE, "--to", "nothing"], "No article has the id, guid or URL 'nothing'."),
        (["pin", OLD, "--to", FIRE], f"No article has the id, guid or URL '{OLD}'."),
    ],
)
@pytest.mark.usefixtures("news")
def test_what_makes_no_edit_is_refused_and_nothing_is_sent(
    dragoman: Run, kafka: FakeKafka, arguments: list[str], sentence: str
) -> None:
    result = dragoman("stories", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert sent(kafka) == []


@pytest.mark.parametrize(
    ("arguments", "articles", "stays"),
    [
        ([FLOOD], (FLOOD,), FIRE),
        ([FIRE], (FIRE,), FLOOD),
        ([FLOOD, "--from", COPY], (FLOOD,), COPY),
    ],
)
@pytest.mark.usefixtures("news")
def test_split_names_an_article_that_stays(
    dragoman: Run, kafka: FakeKafka, arguments: list[str], articles: tuple[str, ...], stays: str
) -> None:
    """The most central one; never a copy of one that leaves, for copies go with their originals."""
    assert dragoman("stories", "split", *arguments).exit_code == 0
    (edit,) = sent(kafka)
    assert (edit.action, edit.articles, edit.other) == ("split", articles, stays)


@pytest.mark.usefixtures("news")
def test_pin_names_the_goal_by_an_article_or_a_story(dragoman: Run, kafka: FakeKafka) -> None:
    assert dragoman("stories", "pin", LONE, "--to", OLD).exit_code == 0
    assert dragoman("stories", "pin", "guid 2", "--to", "dddddddd").exit_code == 0
    assert [(edit.action, edit.articles, edit.other) for edit in sent(kafka)] == [
        ("pin", (LONE,), FIRE),
        ("pin", (FLOOD,), LONE),
    ]


@pytest.mark.parametrize(
    ("arguments", "is_done"),
    [
        (["merge", FIRE, FLOOD], True),
        (["merge", FIRE, LONE], False),
        (["split", FLOOD], False),
        (["split", FLOOD, "--from", LONE], True),
        (["pin", FLOOD, "--to", FIRE], True),
        (["pin", FLOOD, "--to", LONE], False),
    ],
)
@pytest.mark.usefixtures("news", "kafka")
def test_wait_tells_whether_the_index_shows_it(
    dragoman: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], *, is_done: bool
) -> None:
    """The sentence and exit code 4 where it does not, after the edit was told."""
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr("services.cli.story_edits.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("services.cli.story_edits.time.sleep", lambda _: None)
    result = dragoman("stories", *arguments, "--wait", "--json")
    assert json.loads(result.stdout)["done"] is is_done
    assert result.exit_code == (0 if is_done else 4)
    assert ("The index does not show it yet" in result.stderr) is not is_done


@pytest.mark.usefixtures("news")
def test_an_edit_that_kafka_does_not_confirm_is_said(dragoman: Run, refusing: Callable[[], None]) -> None:
    refusing()
    result = dragoman("stories", "merge", FIRE, LONE)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "gone. Nothing was changed.\n")


@pytest.mark.usefixtures("news", "no_broker")
def test_without_kafka_nothing_was_changed(dragoman: Run) -> None:
    result = dragoman("stories", "merge", FIRE, LONE)
    assert result.exit_code == 1
    assert result.stderr == ("Kafka at 127.0.0.1:9092 does not answer (KafkaConnectionError). Nothing was changed.\n")
    assert dragoman("stories", "edits").exit_code == 1


# --- what was said ----------------------------------------------------------------------------------------------------


@pytest.fixture
def edits(kafka: FakeKafka, example: Example) -> FakeKafka:
    """A later split and an earlier merge."""
    late = example(
        "stories.edits", "v1-split", edit_id="late", articles=[FLOOD], other=FIRE, made_at="2026-02-01T09:30:00Z"
    )
    early = example("stories.edits", "v1-merge", edit_id="early", articles=[FIRE, COPY, OLD])
    for values in (late, early):
        edit = StoryEdit.model_validate_json(json.dumps(values))
        kafka.append("stories.edits", edit.edit_id.encode(), encode(edit))
    return kafka


@pytest.mark.usefixtures("edits")
def test_edits_are_told_oldest_first(dragoman: Run) -> None:
    assert dragoman("stories", "edits").stdout.splitlines() == [
        "2026-01-01 10:00  early  ann: merge aaaaaaaa bbbbbbbb eeeeeeee",
        "2026-02-01 09:30  late  ann: split cccccccc against aaaaaaaa",
        "    another fire",
    ]
    as_json = json.loads(dragoman("stories", "edits", "--json").stdout)
    assert [edit["edit_id"] for edit in as_json] == ["early", "late"]
    assert as_json[1].keys() == StoryEdit.model_fields.keys()


@pytest.mark.usefixtures("news", "edits")
def test_export_writes_pairs_and_names_those_it_leaves_out(dragoman: Run, tmp_path: Path) -> None:
    file = tmp_path / "edits.jsonl"
    result = dragoman("stories", "export", str(file))
    assert result.exit_code == 0
    assert result.stdout == f"2 pairs in {file}, 1 left out.\n"
    assert result.stderr.startswith("left out aaaaaaaa and eeeeeeee: No article has the id")
    pairs = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(pair["same"], pair["one"]["article_id"], pair["other"]["article_id"]) for pair in pairs] == [
        (True, FIRE, COPY),
        (False, FIRE, FLOOD),
    ]
