"""Every line on standard error is one JSON object, whichever logger wrote it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.common.logging import Sparing, configure_logging, get_logger

NOISY = ("aiokafka", "kafka", "elastic_transport", "faust", "mode", "services.common.faust_app", "services.dedup.store")
EVERY = (*NOISY, "urllib3", "trafilatura", "htmldate", "watchfiles", "aiohttp")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging belongs to the whole process: other tests get theirs back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    levels = {name: logging.getLogger(name).level for name in EVERY}
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_who_wrote_it_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("worker", "worker-1")
    get_logger("services.test").warning("dead letter", offset=5)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "service": "worker",
        "instance": "worker-1",
        "level": "warning",
        "logger": "services.test",
        "event": "dead letter",
        "offset": 5,
    }


def test_libraries_lines_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("worker", "")
    logging.getLogger("a.library").error("no %s", "luck")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["service"]) == ("no luck", "a.library", "worker")


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("worker", "")
    try:
        {}["boom"]
    except KeyError:
        get_logger("services.test").exception("bug")
        logging.getLogger("a.library").exception("theirs")
    ours, theirs = lines(capsys)
    assert "KeyError: 'boom'" in ours["exception"]
    assert "KeyError: 'boom'" in theirs["exception"]


@pytest.mark.parametrize("name", NOISY)
def test_chatty_libraries_say_what_is_wrong_alone(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure_logging("worker", "", "DEBUG")
    logging.getLogger(name).info("starting")
    logging.getLogger(name).warning("failing")
    assert [line["event"] for line in lines(capsys)] == ["failing"]


def test_the_level_holds_for_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("worker", "", "ERROR")
    for name in ("services.test", "kafka"):
        logging.getLogger(name).warning("not heard")
    get_logger("services.test.quiet").info("not heard")
    assert lines(capsys) == []


def test_configured_twice_a_line_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("worker", "")
    configure_logging("worker", "")
    logging.getLogger("a.library").error("once")
    assert len(lines(capsys)) == 1


def test_a_library_that_says_the_same_again_and_again_is_heard_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("worker", "worker-1")
    chatty = logging.getLogger("aiokafka.conn")
    for number in range(50):
        chatty.error("Unable to connect to node %d", number)
        chatty.error("Something else")
        logging.getLogger("services.worker").error("Unable to connect to node %d", number)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    own = [line for line in said if line["logger"] == "services.worker"]
    assert (len(said) - len(own), len(own)) == (2, 50)


def test_it_is_heard_again_after_a_while() -> None:
    sparing = Sparing("aiokafka")
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unable to connect", None, None)
    heard = []
    for second in (0, 1, 29, 31, 40, 62):
        record.created = 1000 + second
        heard.append(sparing.filter(record))
    assert heard == [True, False, False, True, False, True]
