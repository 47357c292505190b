"""Wires stages to Kafka: from the topic before the slice (`articles.raw`) to the one after (`articles.enriched`)."""

from __future__ import annotations

from schemas.article import ArticleDraft, RawArticle
from schemas.topics import DEAD, ENRICHED, RAW, Topic, intermediate
from services.common.dead_letters import Received
from services.common.faust_app import make_app, run_app
from services.common.messages import REVISION_HEADER, Outgoing, decode, encode
from services.common.settings import Settings
from services.common.stream import Handled, Handler, StreamWorker, prepare
from services.worker.settings import WorkerSettings
from services.worker.stages import STAGES, Stage, run_stages, stage_slice, to_draft, to_enriched, warm_up

SERVICE = "worker"


def source_of(stages: tuple[Stage, ...]) -> Topic:
    """The topic in front of a slice."""
    names = [stage.name for stage in STAGES]
    first = names.index(stages[0].name)
    return intermediate(names[first - 1]) if first else RAW


def target_of(stages: tuple[Stage, ...], *, vectors: bool) -> Topic:
    """The topic behind a slice."""
    last = stage_slice((), vectors=vectors)[-1].name
    return ENRICHED if stages[-1].name == last else intermediate(stages[-1].name)


def make_handler(settings: Settings, stages: tuple[Stage, ...], source: Topic, target: Topic) -> Handler:
    """The function from one message to the next topic's message."""
    topic = settings.topic(target)

    def handle(received: Received) -> Handled:
        value = received.value
        draft = to_draft(decode(RawArticle, value)) if source is RAW else decode(ArticleDraft, value)
        draft = run_stages(draft, stages)
        record = to_enriched(draft) if target is ENRICHED else draft
        headers = tuple(pair for pair in received.headers if pair[0] == REVISION_HEADER)
        return Handled("enriched", (Outgoing(topic, draft.article_id.encode(), encode(record), headers),))

    return handle


def main(stage_names: str | None = None) -> None:
    """Run until SIGTERM."""
    settings = WorkerSettings() if stage_names is None else WorkerSettings(stages=stage_names)
    names = tuple(name.strip() for name in settings.stages.split(",") if name.strip())
    stages = stage_slice(names, vectors=settings.vectors)
    source, target = source_of(stages), target_of(stages, vectors=settings.vectors)
    prepare(settings, SERVICE, source, target, DEAD)
    warm_up(stages)
    group = settings.name(SERVICE if not names else f"{SERVICE}-{stages[0].name}-{stages[-1].name}")
    app = make_app(settings, group, settings.home / "faust" / (settings.instance or SERVICE))
    worker = StreamWorker(settings, SERVICE, app, source, make_handler(settings, stages, source, target))
    worker.start_probes()
    run_app(app)
