"""The dedup service between Kafka and the grouper: what it sends, what it waits for, and when it rebuilds its state."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaConnectionError,
)
from prometheus_client import REGISTRY

from schemas.article import EnrichedArticle, GroupedArticle
from schemas.dead_letter import ErrorClass
from schemas.story import Story, StoryEdit
from schemas.topics import DEAD, EDITS, ENRICHED, GROUPED, STORIES
from services.common.dead_letters import Received
from services.common.exits import EXIT_MACHINE, EXIT_TEMPORARY, UnusableProcessError
from services.common.faust_app import SESSION_TIMEOUT_SECONDS
from services.common.messages import ATTEMPTS_HEADER, REVISION_HEADER, RejectedMessage, decode, encode
from services.common.stream import Handled, StreamWorker
from services.dedup import app as module
from services.dedup.app import (
    DedupService,
    foreign_members,
    home_id,
    make_story_sender,
    require_only_home,
    require_only_process,
    require_room,
)
from services.dedup.digests import NoDigests
from services.dedup.grouping import Grouper
from services.dedup.live import LiveArticles
from services.dedup.outbox import StoryOutbox
from services.dedup.rows import ArticleRow
from services.dedup.settings import DedupSettings
from services.dedup.store import RecordTable
from tests.examples import EXAMPLES

V = TypeVar("V")
FULL = EnrichedArticle.model_validate_json((EXAMPLES / "articles.enriched/valid/v2-full.json").read_bytes())
ONE_LINE = EnrichedArticle.model_validate_json((EXAMPLES / "articles.enriched/valid/v2-one-line.json").read_bytes())
MERGE = StoryEdit.model_validate_json((EXAMPLES / "stories.edits/valid/v1-merge.json").read_bytes())


class Table(dict[str, V]):
    """A table in memory whose writes are confirmed when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[asyncio.Future[object]] = []
        self.unsent: list[str] = []
        self.sent_again = 0
        self.forgotten = 0
        self.digests = NoDigests()

    def __setitem__(self, key: str, value: V) -> None:
        super().__setitem__(key, value)
        self._write()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._write()

    def _write(self) -> None:
        self.writes.append(asyncio.get_running_loop().create_future())

    def forget_recent(self) -> None:
        self.forgotten += 1

    def require_rows(self, read: int) -> None:
        assert read == len(self)

    def send_unsent(self) -> int:
        self.sent_again += len(self.unsent)
        for key in self.unsent:
            self[key] = self[key]
        return len(self.unsent)

    def take_unconfirmed(self) -> tuple[Awaitable[object], ...]:
        writes, self.writes = tuple(self.writes), []
        return writes


class Harness:
    """A dedup service with its tables; `generation` is the number of the assignment."""

    def __init__(self, home: Path) -> None:
        self.rows: Table[ArticleRow] = Table()
        self.edits: Table[StoryEdit] = Table()
        self.generation = 1
        self.updates: list[str] = []
        self.outbox = StoryOutbox(self.send)
        self.service = self.new_service(home)
        self.offset = 0

    def new_service(self, home: Path) -> DedupService:
        tables: Any = (self.rows, self.edits)
        settings = DedupSettings(home=home, namespace="news")
        return DedupService(settings, *tables, timedelta(days=14), lambda: self.generation, self.outbox)

    async def send(self, story_id: str) -> None:
        self.updates.append(story_id)

    def take(self, article: EnrichedArticle, headers: tuple[tuple[str, bytes], ...] = ()) -> Handled:
        self.offset += 1
        return self.service.handle(
            Received("news.articles.enriched", 0, self.offset, None, b"k", encode(article), headers)
        )

    def edit(self, edit: StoryEdit) -> Handled:
        return self.service.handle_edit(Received("news.stories.edits", 0, 0, None, b"k", encode(edit)))

    def explain(self, one: str, other: str) -> tuple[int, Any]:
        return self.service.explain({"one": one, "other": other})


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def in_loop(scenario: Callable[[], object]) -> None:
    """Run a scenario in an event loop, as in the agent."""

    async def run() -> None:
        scenario()

    asyncio.run(run())


def sent(handled: Handled) -> list[tuple[str, str, Any]]:
    """The decoded messages: topic, key, record."""
    records: dict[str, type[Any]] = {"news.articles.grouped": GroupedArticle, "news.stories": Story}
    return [
        (message.topic, (message.key or b"").decode(), decode(records[message.topic], message.value))
        for message in handled.outgoing
    ]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_decided_article_goes_out_under_its_id_with_its_revision_alone(harness: Harness) -> None:
    def scenario() -> None:
        headers = ((REVISION_HEADER, b"7"), (ATTEMPTS_HEADER, b"2"), ("foreign", b"x"))
        handled = harness.take(FULL, headers)
        ((topic, key, article),) = sent(handled)
        assert (handled.outcome, topic, key) == ("grouped", "news.articles.grouped", FULL.article_id)
        assert (article.article_id, article.story_id) == (FULL.article_id, FULL.article_id)
        assert handled.outgoing[0].headers == ((REVISION_HEADER, str(FULL.revision).encode()),)

    in_loop(scenario)


def test_the_tables_and_the_storys_update_are_waited_for(harness: Harness) -> None:
    """The next process would not know an article whose row was not written."""

    async def scenario() -> None:
        confirmations = [asyncio.ensure_future(confirmation) for confirmation in harness.take(FULL).confirmations]
        rows = [asyncio.ensure_future(write) for write in harness.rows.take_unconfirmed()]
        assert rows == []  # `take` has taken them
        assert len(confirmations) == 2
        row, update = confirmations
        await harness.outbox.flush()
        assert harness.updates == [FULL.article_id]
        assert update.done()
        assert not row.done()

    asyncio.run(scenario())


def test_a_redelivered_article_waits_for_the_row_that_a_kill_left_behind(harness: Harness, tmp_path: Path) -> None:
    """The row is in the local store, so it is not written again; the changelog may lack it."""

    def scenario() -> None:
        harness.take(FULL)
        harness.rows.unsent = [FULL.article_id]
        harness.service = harness.new_service(tmp_path)
        handled = harness.take(FULL)
        assert handled.outcome == "repeated"
        assert len(handled.confirmations) == 2, "the row, and the update of the story"
        harness.take(FULL)
        assert harness.rows.sent_again == 1, "once for each assignment"

    in_loop(scenario)


def test_an_edit_is_written_before_it_is_acknowledged(harness: Harness) -> None:
    def scenario() -> None:
        handled = harness.edit(MERGE)
        assert handled.outcome == "pending"
        assert handled.outgoing == ()
        assert len(handled.confirmations) == 1
        assert harness.edits == {MERGE.edit_id: MERGE}

    in_loop(scenario)


def test_a_repeated_article_is_sent_again_under_the_same_decision(harness: Harness) -> None:
    """The process may have died before the first was acknowledged."""

    def scenario() -> None:
        first, again = harness.take(FULL), harness.take(FULL)
        assert again.outcome == "repeated"
        assert sent(again) == sent(first)
        older = harness.take(FULL.model_copy(update={"revision": FULL.revision + 1}))
        assert older.outcome == "grouped"
        assert (harness.take(FULL).outcome, harness.take(FULL).outgoing) == ("superseded", ())

    in_loop(scenario)


@pytest.mark.parametrize("value", [None, b"no JSON", b"{}"])
def test_what_is_no_article_and_no_edit_is_rejected_and_changes_nothing(harness: Harness, value: bytes | None) -> None:
    received = Received("news.articles.enriched", 0, 1, None, b"k", value)
    for handle in (harness.service.handle, harness.service.handle_edit):
        with pytest.raises(RejectedMessage):
            handle(received)
    assert (harness.rows, harness.edits) == ({}, {})


def test_a_merge_moves_articles_and_tells_the_empty_story_one_last_time(harness: Harness) -> None:
    def scenario() -> None:
        for article in (ONE_LINE, FULL):
            harness.take(article, ((REVISION_HEADER, b"7"),))
        edit = MERGE.model_copy(update={"articles": (ONE_LINE.article_id, FULL.article_id)})
        before = metric("dragoman_merged_stories_total")
        handled = harness.edit(edit)
        assert handled.outcome == "edited"
        (grouped, moved_id, moved), (stories, emptied_id, emptied) = sent(handled)
        assert (grouped, stories) == ("news.articles.grouped", "news.stories")
        assert moved_id == emptied_id  # the story had the id of its one article
        assert moved.story_id == emptied.merged_into
        assert {moved_id, moved.story_id} == {ONE_LINE.article_id, FULL.article_id}
        assert emptied.articles == 0
        assert handled.outgoing[0].headers == ((REVISION_HEADER, str(moved.revision).encode()),)
        assert handled.outgoing[1].headers == ()
        assert len(harness.service.grouper.stories) == 1
        assert metric("dragoman_merged_stories_total") == before

    in_loop(scenario)


def test_a_copy_is_counted_by_its_level_and_the_size_of_the_window_is_published(harness: Harness) -> None:
    def scenario() -> None:
        copy = FULL.model_copy(update={"article_id": MERGE.articles[1], "source_id": "another"})
        harness.take(FULL)
        levels = [sample.labels for metric in module.DUPLICATES.collect() for sample in metric.samples]
        before = sum(metric("dragoman_duplicates_total", **labels) for labels in levels)
        (article,) = (record for _, _, record in sent(harness.take(copy)))
        assert article.duplicate_of == FULL.article_id
        level = article.duplicate_reason.level
        assert metric("dragoman_duplicates_total", level=level) == before + 1
        assert (metric("dragoman_live_articles"), metric("dragoman_live_stories")) == (2, 1)
        harness.take(copy)
        assert metric("dragoman_duplicates_total", level=level) == before + 1

    in_loop(scenario)


def test_a_merge_that_an_article_brings_is_counted(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story.model_validate_json((EXAMPLES / "stories/valid/v2-merged.json").read_bytes())
    result = module.GroupingResult("grouped", emptied=(story,))  # type: ignore[arg-type]
    before = metric("dragoman_merged_stories_total")
    monkeypatch.setattr(module.Grouper, "take", lambda *_, **__: result)
    in_loop(lambda: harness.take(FULL))
    assert metric("dragoman_merged_stories_total") == before + 1


def test_a_new_assignment_starts_from_the_tables(harness: Harness, tmp_path: Path) -> None:
    """Another process may have had the partition. Only the tables know what it did."""

    def scenario() -> None:
        harness.take(FULL)
        known = harness.service.grouper
        harness.take(ONE_LINE)
        assert harness.service.grouper is known
        other = harness.new_service(tmp_path)
        harness.generation = 2
        copy = FULL.model_copy(update={"article_id": MERGE.articles[1], "source_id": "another"})
        harness.edits[MERGE.edit_id] = MERGE
        before = dict(harness.rows)
        (article,) = (record for _, _, record in sent(harness.take(copy)))
        assert harness.service.grouper is not known
        assert (harness.rows.forgotten, harness.edits.forgotten) == (2, 2)
        assert (article.story_id, article.story_reason.moved_by) == (FULL.article_id, "merge by ann (edit 5b1f)")
        assert list(harness.service.grouper.live) == [*before, copy.article_id]
        (again,) = (record for _, _, record in sent(other.handle(Received("t", 0, 9, None, b"k", encode(ONE_LINE)))))
        assert again.story_id == before[ONE_LINE.article_id].decision.story_id

    in_loop(scenario)


def test_an_edit_as_the_first_message_rebuilds_too(harness: Harness) -> None:
    def scenario() -> None:
        harness.take(FULL)
        harness.generation = 2
        harness.service.grouper = module.Grouper(timedelta(days=1))
        harness.edit(MERGE)
        assert list(harness.service.grouper.live) == [FULL.article_id]

    in_loop(scenario)


def test_a_story_is_told_as_it_is_now(harness: Harness) -> None:
    def scenario() -> None:
        assert harness.service.story(FULL.article_id) is None
        harness.take(FULL)
        story = harness.service.story(FULL.article_id)
        assert story is not None
        assert (story.articles, story.title) == (1, FULL.title)

    in_loop(scenario)


def test_what_a_rebuild_made_is_not_looked_through_by_each_full_collection(harness: Harness) -> None:
    """With a million live articles that would take four seconds."""
    gc.unfreeze()
    try:
        in_loop(lambda: harness.take(FULL))
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_rebuild_begins_when_the_old_state_is_gone(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two states would need twice the memory, and twice the temporary files."""
    before: list[int] = []
    rebuild = Grouper.rebuild

    def watched(*given: Any, **named: Any) -> Grouper:
        before.append(len(harness.service.grouper.live))
        return rebuild(*given, **named)

    def scenario() -> None:
        harness.take(FULL)
        harness.generation = 2
        harness.take(ONE_LINE)

    monkeypatch.setattr(Grouper, "rebuild", watched)
    in_loop(scenario)
    assert before == [0, 0]
    assert len(harness.service.grouper.live) == 2


class TestExplaining:
    def test_before_the_first_message_of_an_assignment_there_is_no_answer(self, harness: Harness) -> None:
        """The tables may still be read: an answer from the old state would be wrong."""

        def scenario() -> None:
            assert harness.explain(FULL.article_id, ONE_LINE.article_id)[0] == 503
            harness.take(FULL)
            harness.take(ONE_LINE)
            assert harness.explain(FULL.article_id, ONE_LINE.article_id)[0] == 200
            harness.generation = 2
            code, answer = harness.explain(FULL.article_id, ONE_LINE.article_id)
            assert (code, answer) == (503, {"error": "the state is rebuilt with the next message"})

        in_loop(scenario)

    def test_a_profile_that_cannot_be_read_is_said(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreadable(*_: object) -> None:
            raise UnusableProcessError(EXIT_MACHINE, "A profile cannot be read.")

        def scenario() -> None:
            harness.take(FULL)
            harness.take(ONE_LINE)
            monkeypatch.setattr(LiveArticles, "profile", unreadable)
            answer = harness.explain(FULL.article_id, ONE_LINE.article_id)
            assert answer == (503, {"error": "A profile cannot be read."})

        in_loop(scenario)

    def test_articles_that_are_not_live_are_named(self, harness: Harness) -> None:
        def scenario() -> None:
            harness.take(FULL)
            code, answer = harness.explain(FULL.article_id, "nobody")
            assert (code, answer["articles"]) == (404, ["nobody"])
            assert harness.service.explain({})[1] == {"error": "not in the window of dedup", "articles": ["", ""]}

        in_loop(scenario)

    def test_two_live_articles_are_compared_in_json(self, harness: Harness) -> None:
        def scenario() -> None:
            harness.take(FULL)
            harness.take(ONE_LINE)
            code, answer = harness.explain(FULL.article_id, ONE_LINE.article_id)
            assert code == 200
            assert json.loads(json.dumps(answer))["articles"] == answer["articles"]

        in_loop(scenario)


class Topics:
    """The part of faust's app that the sender of stories uses."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.names: list[str] = []

    def topic(self, name: str, **_: object) -> Topics:
        self.names.append(name)
        return self

    async def send(self, *, key: bytes, value: bytes) -> Awaitable[object]:
        self.sent.append((key, value))
        delivery: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        delivery.set_result(len(self.sent))
        return delivery


def test_a_story_is_sent_under_its_id_and_one_without_articles_is_not(tmp_path: Path) -> None:
    story = Story.model_validate_json((EXAMPLES / "stories/valid/v2.json").read_bytes())
    topics = Topics()

    async def scenario() -> None:
        settings = DedupSettings(home=tmp_path, namespace="news", grouping_version=2)
        send = make_story_sender(topics, settings, {story.story_id: story}.get)
        assert await send("nobody") is None
        delivery = await send(story.story_id)
        assert delivery is not None
        assert await delivery == 1

    asyncio.run(scenario())
    assert topics.names == ["news.stories.v2"]
    assert topics.sent == [(story.story_id.encode(), encode(story))]


def test_the_service_is_wired_as_the_map_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each grouping version has a group, topics and a folder of its own."""
    prepared: list[Any] = []
    started: list[Any] = []
    ran: list[Any] = []
    homes: list[Any] = []
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_GROUPING_VERSION", "2")
    monkeypatch.setattr(module, "prepare", lambda _, service, *topics: prepared.append((service, set(topics))))
    monkeypatch.setattr(StreamWorker, "start_probes", lambda worker, pages: started.append((worker, pages)))
    monkeypatch.setattr(module, "run_app", ran.append)
    monkeypatch.setattr(module, "require_only_home", lambda _, group, client: homes.append((group, client)))
    module.main()
    assert prepared == [("dedup", {ENRICHED, EDITS, GROUPED, STORIES, DEAD})]
    ((worker, pages),) = started
    (app,) = ran
    assert worker.app is app
    assert app.conf.id == "dedup.v2"
    assert homes == [("dedup.v2", app.conf.broker_client_id)]
    assert app.conf.datadir == tmp_path / "faust" / "dedup.v2"
    assert set(app.tables) == {"articles", "edits"}
    assert worker.source is ENRICHED
    assert [(topic, label) for topic, _, label in worker.beside] == [(EDITS, "dedup_edits")]
    assert set(app.agents) == {"dedup", "dedup_edits"}
    assert list(pages) == ["/explain"]
    service = worker.handle.__self__
    assert (type(service.rows), service.window) == (RecordTable, timedelta(days=14))
    assert [task.__wrapped__ for task in app._app_tasks] == [service.outbox.run]


def test_a_second_dedup_in_one_home_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "faust" / "dedup"
    require_only_process(folder)
    with pytest.raises(SystemExit) as ended:
        require_only_process(folder)
    assert ended.value.code == EXIT_TEMPORARY
    require_only_process(tmp_path / "faust" / "dedup.v2")


class Members:
    """An admin client that sees these client ids in the consumer group, one list after another."""

    def __init__(self, *looks: list[str]) -> None:
        self.looks = list(looks)

    def describe_groups(self, groups: list[str]) -> dict[str, Any]:
        clients = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {groups[0]: {"members": [{"client_id": client, "client_host": "/10.0.0.7"} for client in clients]}}

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_a_dedup_of_another_home_is_refused_when_its_session_would_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[float]
) -> None:
    monkeypatch.setattr(module, "admin_client", lambda _: Members(["ours", "theirs"]))
    with pytest.raises(SystemExit) as ended:
        require_only_home(DedupSettings(home=tmp_path), "dedup", "ours")
    assert ended.value.code == EXIT_TEMPORARY
    assert hours[0] > 2 * SESSION_TIMEOUT_SECONDS


@pytest.mark.parametrize("looks", [([],), (["ours"],), (["theirs"], ["theirs"], [])])
def test_our_own_member_and_one_that_goes_are_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[float], looks: tuple[list[str], ...]
) -> None:
    members = Members(*looks)
    monkeypatch.setattr(module, "admin_client", lambda _: members)
    require_only_home(DedupSettings(home=tmp_path), "dedup", "ours")
    assert hours[0] == len(looks) - 1


def test_a_kafka_that_cannot_say_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[float]
) -> None:
    members = Members(["ours"])
    answers: list[Exception] = [CoordinatorNotAvailableError(), KafkaConnectionError()] * 30

    def admin(_: object) -> Members:
        if answers:
            raise answers.pop()
        return members

    monkeypatch.setattr(module, "admin_client", admin)
    require_only_home(DedupSettings(home=tmp_path), "dedup", "ours")
    assert hours[0] == 60


@pytest.mark.parametrize(
    ("error", "others"),
    [
        (str(GroupIdNotFoundError("no group")), []),
        (str(CoordinatorLoadInProgressError("")), None),
        (None, []),
    ],
)
def test_an_error_of_the_group_is_no_empty_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str | None, others: list[str] | None
) -> None:
    """kafka-python puts it beside the members instead of raising it."""
    answer = {"dedup": {"members": [], "error": error}}
    admin = SimpleNamespace(describe_groups=lambda _: answer, close=lambda: None)
    monkeypatch.setattr(module, "admin_client", lambda _: admin)
    assert foreign_members(DedupSettings(home=tmp_path), "dedup", "ours") == others


def test_a_home_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    one, other = DedupSettings(home=tmp_path / "one"), DedupSettings(home=tmp_path / "other")
    assert home_id(one) == home_id(one) != home_id(other)


def test_an_article_that_is_too_large_is_rejected_before_anything_is_decided(harness: Harness) -> None:
    """Behind the decision its rows would be written, and the articles that it moved would be dropped."""
    received = Received("news.articles.enriched", 0, 0, None, b"k", encode(FULL))
    limit = len(received.value or b"")
    require_room(received, FULL, limit)
    with pytest.raises(RejectedMessage, match=f"{limit:,} bytes") as rejected:
        require_room(received, FULL, limit - 1)
    assert rejected.value.error_class is ErrorClass.TOO_LARGE
    old = (EXAMPLES / "articles.enriched/valid/v1-full.json").read_bytes()
    upgraded = decode(EnrichedArticle, old)
    require_room(replace(received, value=old), upgraded, len(encode(upgraded)))
    long = FULL.model_copy(update={"text": FULL.text + "x" * harness.service.settings.max_message_bytes})
    with pytest.raises(RejectedMessage):
        harness.service.handle(replace(received, value=encode(long)))
    assert harness.service.grouper.live == {}


def test_a_decision_fits_behind_the_largest_article(tmp_path: Path) -> None:
    """What dedup sends may be larger than what it takes, and still fits into a dead letter of Kafka's size."""
    settings = DedupSettings(home=tmp_path)
    assert settings.max_message_bytes + 2 * module.DECISION_BYTES < settings.max_request_bytes


def test_another_instance_in_one_home_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_only_process(tmp_path / "faust" / "dedup")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_INSTANCE", "dedup-2")
    monkeypatch.setattr(module, "prepare", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == EXIT_TEMPORARY
