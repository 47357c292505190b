"""The stages and their order, and the enrichment that files and Kafka share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.article import (
    Article,
    ArticleDraft,
    ContentType,
    DatePrecision,
    DateSource,
    EnrichedArticle,
    Language,
    LineLanguage,
    Normalized,
    RawArticle,
    RawPlace,
    StatedDate,
)
from schemas.dead_letter import ErrorClass
from services import extraction, fingerprint, language, normalizer
from services.common.batches import attempt
from services.common.derived import count_words, event_time, headline_of
from services.common.exits import EXIT_CONFIGURATION, EXIT_MACHINE, UnusableProcessError
from services.common.extras import install_hint
from services.common.logging import get_logger
from services.common.messages import RejectedMessage
from services.common.metrics import STAGE_SECONDS
from services.common.time_limit import TooSlowError, time_limit, timed
from services.entities import EntityLinker, EntitySettings
from services.worker.settings import STAGE_LIMIT_SECONDS

Transform = Callable[[ArticleDraft], ArticleDraft]
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stage:
    """A pure function on articles, with its name and the version that is written into each enriched article."""

    name: str
    version: str
    run: Transform
    run_all: Callable[[Sequence[ArticleDraft]], list[ArticleDraft]] | None = None
    """The same for several articles at once, where that is quicker."""


def make_stages(linker: EntityLinker) -> tuple[Stage, ...]:
    """The stages in their order."""
    return (
        Stage("extraction", extraction.VERSION, extraction.extract),
        Stage("language", language.VERSION, language.identify),
        # after language: dates are read in one
        Stage("normalizer", normalizer.VERSION, normalizer.normalize),
        # after normalizer: offsets count in the clean text
        Stage("entities", linker.version, linker.link),
        # after entities: they are its actors
        Stage("fingerprint", fingerprint.VERSION, fingerprint.fingerprint),
        Stage("embedding", fingerprint.EMBEDDING_VERSION, fingerprint.embed, fingerprint.embed_all),
    )


STAGE_NAMES = ("extraction", "language", "normalizer", "entities", "fingerprint", "embedding")
PUBLISHED_ORDER = (DateSource.HEADER, DateSource.TEXT, DateSource.HTML, DateSource.FEED)
"""The order in which sources of the date are trusted: the lines of the article, its markup, then the feed."""


def stage_slice(names: tuple[str, ...], *, vectors: bool, settings: EntitySettings | None = None) -> tuple[Stage, ...]:
    """The consecutive stages with these names, or all stages if there are no names. ValueError says what is wrong.

    `settings` choose the gazetteer for linking entities (default: the settings of the environment).
    """
    every = make_stages(EntityLinker(settings or EntitySettings()))
    every = tuple(stage for stage in every if vectors or stage.name != "embedding")
    if not names:
        return every
    known = [stage.name for stage in every]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no stage is called {', '.join(unknown)}. The stages are {', '.join(known)}")
    first = known.index(names[0])
    if tuple(known[first : first + len(names)]) != names:
        raise ValueError(f"{','.join(names)} are not consecutive. The order is {', '.join(known)}")
    return every[first : first + len(names)]


def run_stages(
    draft: ArticleDraft, stages: tuple[Stage, ...], service: str = "worker", seconds: float = STAGE_LIMIT_SECONDS
) -> ArticleDraft:
    """Run some stages on one article, each for at most `seconds` of processor time.

    RejectedMessage names the stage that failed on the article. UnusableProcessError: the process is at fault.
    """
    for stage in stages:
        started = time.perf_counter()
        with within(seconds, stage.name):
            draft = run_stage(draft, stage)
        _note(draft, stage, service, time.perf_counter() - started)
    return draft


def run_stages_on_all(
    drafts: Sequence[ArticleDraft | Exception],
    stages: tuple[Stage, ...],
    service: str = "worker",
    seconds: float = STAGE_LIMIT_SECONDS,
) -> list[ArticleDraft | Exception]:
    """Run some stages on several articles. The error of an article stands in its place, and it goes no further.

    A stage that can takes all articles at once, in at most `seconds` for each. If that fails, each goes alone, so that
    no article suffers from another one. UnusableProcessError: the process is at fault.
    """
    found = list(drafts)
    for stage in stages:
        good = [draft for draft in found if isinstance(draft, ArticleDraft)]
        made = _run_at_once(good, stage, service, seconds)
        if made is None:
            made = [attempt(run_stages, draft, (stage,), service, seconds) for draft in good]
        following = iter(made)
        found = [next(following) if isinstance(draft, ArticleDraft) else draft for draft in found]
    return found


def _run_at_once(
    drafts: Sequence[ArticleDraft], stage: Stage, service: str, seconds: float
) -> list[ArticleDraft | Exception] | None:
    if stage.run_all is None or len(drafts) < 2:
        return None
    started = time.perf_counter()
    try:
        with time_limit(seconds * len(drafts)):
            made = stage.run_all(drafts)
    except Exception:  # each goes alone, where the error gets its name
        log.warning("a stage failed on several articles; each goes alone", stage=stage.name, exc_info=True)
        return None
    took = (time.perf_counter() - started) / len(drafts)
    for draft in made:
        _note(draft, stage, service, took)
    return list(made)


def _note(draft: ArticleDraft, stage: Stage, service: str, took: float) -> None:
    draft.stage_versions[stage.name] = stage.version
    draft.stages[stage.name] = round(took * 1000, 2)
    STAGE_SECONDS.labels(service, stage.name).observe(took)


@contextmanager
def within(seconds: float, stage: str) -> Iterator[None]:
    """Allow `seconds` of processor time. An article that needs more is rejected."""
    try:
        with time_limit(seconds):
            yield
    except TooSlowError as error:
        reason = f"the stage needed more than {seconds:g} seconds of processor time"
        raise RejectedMessage(stage, ErrorClass.TOO_SLOW, reason) from error


def run_stage(draft: ArticleDraft, stage: Stage) -> ArticleDraft:
    """Run one stage on one article. Raises the same errors as `run_stages`, and TooSlowError inside a limit."""
    try:
        return stage.run(draft)
    except (RejectedMessage, TooSlowError):
        raise
    except ImportError as error:
        what = f"The stage {stage.name} cannot run"
        mend = install_hint("vectors") if error.name == fingerprint.ENCODER else "Install it into this environment."
        reason = f"{what}: the package {error.name or error} is not installed. {mend}"
        raise UnusableProcessError(EXIT_CONFIGURATION, reason) from error
    except (OSError, MemoryError) as error:
        reason = f"The stage {stage.name} cannot run on this machine: {type(error).__name__} {error}".strip()
        raise UnusableProcessError(EXIT_MACHINE, f"{reason}. Free memory or disk, and start again.") from error
    except Exception as error:  # a stage is pure, so it always fails on this article
        raise RejectedMessage(stage.name, ErrorClass.STAGE_FAILED, f"{type(error).__name__}: {error}") from error


def to_draft(raw: RawArticle, place: RawPlace | None = None) -> ArticleDraft:
    """The draft that the first stage gets, made from a raw article and its place on Kafka."""
    return ArticleDraft(raw=place, **{name: getattr(raw, name) for name in RawArticle.model_fields})


def to_enriched(draft: ArticleDraft, now: datetime | None = None) -> EnrichedArticle:
    """The finished article at the time `now`. Raises RejectedMessage if a stage has not run."""
    if draft.normalized is None or draft.language is None or draft.entities is None or draft.fingerprint is None:
        raise RejectedMessage("worker", ErrorClass.INVALID_MESSAGE, "the article has not been through every stage")
    normalized = draft.normalized
    dates = stated_dates(draft, normalized)
    published = min(dates, key=lambda date: PUBLISHED_ORDER.index(date.source), default=None)
    source = published.source if published else DateSource.NONE
    event_at, event_at_source = event_time(
        published.at if published else None, source, draft.declared.dates, draft.fetched_at
    )
    return EnrichedArticle(
        **{name: getattr(draft, name) for name in Article.model_fields},
        raw=draft.raw,
        title=normalized.title,
        headline=headline_of(normalized.title, normalized.text),
        text=normalized.text,
        text_is_cut=draft.extracted is not None and draft.extracted.is_cut,
        removed=normalized.removed,
        line_languages=line_languages(normalized.text, draft.language),
        words=count_words(normalized.text),
        agency=normalized.agency,
        byline=normalized.byline,
        published_at=published.at if published else None,
        published_at_source=source,
        published_at_precision=published.precision if published else None,
        event_at=event_at,
        event_at_source=event_at_source,
        enriched_at=now,
        dates=dates,
        rejected_dates=normalized.rejected_dates,
        repairs=draft.extracted.repairs if draft.extracted else (),
        language=draft.language,
        entities=draft.entities,
        unlinked=draft.unlinked,
        places=draft.places,
        fingerprint=draft.fingerprint,
        embedding=draft.embedding,
        stage_versions=draft.stage_versions,
        stages=draft.stages,
    )


def line_languages(text: str, found: Language) -> tuple[LineLanguage, ...]:
    """The lines of a mixed text that are in another language than the text."""
    if not found.mixed:
        return ()
    others = {share.code for share in found.mixed} - {found.code}
    codes = [language.language_of(line).code for line in timed(text.split("\n"))]
    return tuple(LineLanguage(line=number, language=code) for number, code in enumerate(codes) if code in others)


def stated_dates(draft: ArticleDraft, normalized: Normalized) -> tuple[StatedDate, ...]:
    """Every plausible stated date. The date of the feed comes last."""
    feed = draft.published_at
    if feed is None or not normalizer.is_plausible(feed, draft.fetched_at):
        return normalized.dates
    stated = StatedDate(at=feed, source=DateSource.FEED, precision=DatePrecision.SECOND, matched=feed.isoformat())
    return (*normalized.dates, stated)


def warm_up(stages: tuple[Stage, ...]) -> None:
    """Load every model that these stages use, by running a short article through all of them."""
    text = "Plaatsingstijd: 19 maart 2021\nDe minister sprak maandag in Berlijn met zijn Duitse collega over de handel."
    raw = RawArticle(
        article_id=str(uuid.uuid5(uuid.NAMESPACE_URL, "warm-up")),
        source_id="warm-up",
        content_type=ContentType.TEXT,
        content=text,
        fetched_at=datetime.now(UTC),
        content_hash="0" * 64,
        revision=1,
    )
    draft = to_draft(raw)
    wanted = {stage.name: stage for stage in stages}
    for stage in make_stages(EntityLinker(EntitySettings())):
        if stage.name != "embedding" or stage.name in wanted:
            draft = run_stage(draft, wanted.get(stage.name, stage))


def enrich(raw: RawArticle, stages: tuple[Stage, ...], seconds: float = STAGE_LIMIT_SECONDS) -> EnrichedArticle:
    """Run all stages on one raw article, each for at most `seconds` of processor time."""
    draft = run_stages(to_draft(raw), stages, seconds=seconds)
    with within(seconds, "worker"):
        return to_enriched(draft, datetime.now(UTC))
