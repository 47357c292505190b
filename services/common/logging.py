"""Writes logs as JSON to standard error, one object per line."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

REPEAT_SECONDS: Final = 30.0
MAX_TEXT: Final = 60


def configure_logging(service: str, instance: str, level: str = "INFO") -> None:
    """Send the records of every logger through one JSON renderer. The services never log the text of an article."""

    def add_process(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"service": service, "instance": instance, **event}

    shared: list[structlog.typing.Processor] = [
        add_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    handler.addFilter(Sparing("aiokafka"))
    root.setLevel(level)
    # it tells at each look that it cannot read what faust's members say of themselves
    logging.getLogger("kafka.admin").setLevel(max(logging.getLevelName(level), logging.ERROR))
    # it warns at each login without TLS, which the embedded servers do without on loopback
    logging.getLogger("kafka.net.sasl").setLevel(max(logging.getLevelName(level), logging.ERROR))
    # faust's services log when they start and stop, and so do our subclasses of them
    for noisy in (
        "services.common.faust_app",
        "services.dedup.store",
        "aiokafka",
        "kafka",
        "elastic_transport",
        "faust",
        "mode",
        "urllib3",
        "trafilatura",
        "htmldate",
        "watchfiles",
        "aiohttp",
    ):
        logging.getLogger(noisy).setLevel(max(logging.getLevelName(level), logging.WARNING))


class Sparing(logging.Filter):
    """Lets one line of the same text of a library through in `REPEAT_SECONDS`, and all lines of others.

    Without it, an outage of an hour pushes everything else out of the log. The text is the one before its values are
    put in, so that ports and numbers make no difference. It stands at the handler: a filter of a logger does not hold
    for the loggers below it.
    """

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log this line."""
        if not super().filter(record):  # of another library
            return True
        text = str(record.msg)[:MAX_TEXT]
        if record.created < self._next.get(text, 0.0):
            return False
        self._next[text] = record.created + REPEAT_SECONDS
        return True


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structured logger."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
