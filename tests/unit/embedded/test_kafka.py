"""What Kafka runs with, and what its storage is formatted with."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from services.embedded.errors import StackError
from services.embedded.java import Java
from services.embedded.kafka import Kafka, new_cluster_id

FORMATTER = """#!/bin/sh
echo "$@" >> "$0.arguments"
echo > "$FOLDER/data/meta.properties"
"""


def test_a_cluster_id_is_never_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\xfb" * 16), uuid.UUID(bytes=b"\x01" * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(drawn))
    assert new_cluster_id() == "AQEBAQEBAQEBAQEBAQEBAQ"


def kafka(folder: Path, program: str) -> Kafka:
    """A broker with two jars whose `java` is this program."""
    path = folder / "java" / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(program)
    path.chmod(0o755)
    return Kafka(Java(folder / "java", 21), (Path("/a.jar"), Path("/b.jar")), folder / "kafka", 9092, 9093, 1234)


def test_the_broker_runs_with_all_jars_in_order_and_its_own_configuration(tmp_path: Path) -> None:
    command = kafka(tmp_path, "").command()
    assert command[0] == f"{tmp_path}/java/bin/java"
    assert command[-4:] == ["-cp", "/a.jar:/b.jar", "kafka.Kafka", f"{tmp_path}/kafka/server.properties"]


def test_the_configuration_names_ports_folders_and_the_largest_message(tmp_path: Path) -> None:
    broker = kafka(tmp_path, "#!/bin/sh\n")
    broker.configure("hush")
    lines = (broker.folder / "server.properties").read_text().splitlines()
    assert {
        "listeners=CLIENTS://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "listener.security.protocol.map=CONTROLLER:SASL_PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
        f"log.dirs={broker.folder}/data",
        "message.max.bytes=1234",
        "replica.fetch.max.bytes=1234",
        "auto.create.topics.enable=false",
    } <= set(lines)
    assert broker.bootstrap == "127.0.0.1:9092"


def test_the_password_of_the_broker_is_in_a_private_file_and_not_in_a_command(tmp_path: Path) -> None:
    broker = kafka(tmp_path, "#!/bin/sh\n")
    broker.configure("hush")
    path = broker.folder / "server.properties"
    assert path.read_text().count("hush") == 4, "as the broker's own and as the one that it accepts, on two listeners"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any("hush" in part for part in broker.command())


def test_the_storage_is_formatted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = kafka(tmp_path, FORMATTER)
    monkeypatch.setenv("FOLDER", str(broker.folder))
    broker.configure("hush")
    broker.configure("hush")
    (asked,) = Path(f"{broker.java.executable}.arguments").read_text().splitlines()
    assert "kafka.tools.StorageTool format --ignore-formatted -t " in asked
    assert asked.endswith(f"-c {broker.folder}/server.properties")


def test_a_storage_that_cannot_be_formatted_is_said_with_the_tools_words(tmp_path: Path) -> None:
    broker = kafka(tmp_path, "#!/bin/sh\necho 'No space left' >&2\nexit 1\n")
    with pytest.raises(StackError, match="cannot be formatted: No space left"):
        broker.configure("hush")
