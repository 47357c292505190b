"""Configures Kafka as one local process that is both broker and controller (KRaft)."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from services.embedded.errors import StackError
from services.embedded.java import Java

JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For one broker on a laptop, a quick start matters more than the last 10 % of throughput."""
LOG4J = """<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/></Loggers>
</Configuration>
"""
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes={max_message_bytes}
replica.fetch.max.bytes={max_message_bytes}
log.cleaner.dedupe.buffer.size=16777216
"""


@dataclass(frozen=True, slots=True)
class Kafka:
    """The folders and ports of this Kafka."""

    java: Java
    jars: tuple[Path, ...]
    folder: Path
    port: int
    controller_port: int
    max_message_bytes: int

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap server."""
        return f"127.0.0.1:{self.port}"

    def command(self, main: str = "kafka.Kafka", *arguments: str) -> list[str]:
        """The command that runs the broker, or another program of Kafka."""
        class_path = ":".join(str(jar) for jar in self.jars)
        options = [*JVM_OPTIONS, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}"]
        tail = arguments or (str(self._properties),)
        return [str(self.java.executable), *options, "-cp", class_path, main, *tail]

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def configure(self) -> None:
        """Write the configuration, and format the storage if this has not been done yet."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.xml").write_text(LOG4J, encoding="utf8")
        properties = PROPERTIES.format(
            port=self.port,
            controller_port=self.controller_port,
            data=data,
            max_message_bytes=self.max_message_bytes,
        )
        self._properties.write_text(properties, encoding="utf8")
        if (data / "meta.properties").is_file():
            return
        arguments = ("format", "--ignore-formatted", "-t", new_cluster_id(), "-c", str(self._properties))
        command = self.command("kafka.tools.StorageTool", *arguments)
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if run.returncode:
            raise StackError(f"Kafka's storage in {data} cannot be formatted: {(run.stderr or run.stdout)[-500:]}")


def new_cluster_id() -> str:
    """A random Kafka `Uuid`. It never begins with a dash, because Kafka's tools would read that as an option."""
    name = "-"
    while name.startswith("-"):
        name = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return name
