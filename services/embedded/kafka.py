"""Configures Kafka as one local process that is both broker and controller (KRaft)."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError

from services.common.private_files import write_private
from services.embedded.credentials import BROKER_USER, KAFKA_MECHANISM, KAFKA_USER, Credentials
from services.embedded.errors import StackError
from services.embedded.java import QUICK_COMPILER, Java

BROKER = "kafka.Kafka"
JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC")
"""One broker on a laptop needs little memory."""
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
listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENTS://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:SASL_PLAINTEXT,CLIENTS:SASL_PLAINTEXT
inter.broker.listener.name=CLIENTS
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={broker_login}
listener.name.clients.sasl.enabled.mechanisms=PLAIN,{mechanism}
listener.name.clients.plain.sasl.jaas.config={broker_login}
listener.name.clients.{mechanism_name}.sasl.jaas.config={scram_login}
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
BROKER_LOGIN = (
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="{user}" password="{password}" '
    'user_{user}="{password}";'
)
"""The broker logs in to itself, and nobody else is known to PLAIN."""
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, slots=True)
class Kafka:
    """The folders and ports of this Kafka."""

    java: Java
    jars: tuple[Path, ...]
    folder: Path
    port: int
    controller_port: int
    max_message_bytes: int
    jvm_options: tuple[str, ...] = ()

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap server."""
        return f"127.0.0.1:{self.port}"

    def command(self, main: str = BROKER, *arguments: str) -> list[str]:
        """The command that runs the broker, or another program of Kafka."""
        class_path = ":".join(str(jar) for jar in self.jars)
        compiler = self.jvm_options if main == BROKER else (QUICK_COMPILER,)
        options = [*JVM_OPTIONS, *compiler, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}"]
        tail = arguments or (str(self._properties),)
        return [str(self.java.executable), *options, "-cp", class_path, main, *tail]

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def configure(self, broker_password: str) -> None:
        """Write the configuration, and format the storage if this has not been done yet."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.xml").write_text(LOG4J, encoding="utf8")
        properties = PROPERTIES.format(
            port=self.port,
            controller_port=self.controller_port,
            data=data,
            max_message_bytes=self.max_message_bytes,
            broker_login=BROKER_LOGIN.format(user=BROKER_USER, password=broker_password),
            scram_login=SCRAM_LOGIN,
            mechanism=KAFKA_MECHANISM,
            mechanism_name=KAFKA_MECHANISM.lower(),
        )
        write_private(self._properties, properties)
        if (data / "meta.properties").is_file():
            return
        arguments = ("format", "--ignore-formatted", "-t", new_cluster_id(), "-c", str(self._properties))
        command = self.command("kafka.tools.StorageTool", *arguments)
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if run.returncode:
            raise StackError(f"Kafka's storage in {data} cannot be formatted: {(run.stderr or run.stdout)[-500:]}")


def login(mechanism: str, user: str, password: str) -> dict[str, str]:
    """The arguments of kafka-python that log in without TLS."""
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


def make_user(bootstrap: str, credentials: Credentials) -> None:
    """Make the user of all clients, or give it the password of the home. KafkaError while the broker does not answer.

    `StorageTool format` could make it too, but not in a home of an earlier version, and only on a command line.
    """
    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap,
        bootstrap_timeout_ms=3000,
        **login("PLAIN", BROKER_USER, credentials.broker),
    )
    try:
        user = UserScramCredentialUpsertion(KAFKA_USER, ScramMechanism.SCRAM_SHA_512, credentials.kafka)
        refusal = admin.alter_user_scram_credentials([user])[KAFKA_USER]
    finally:
        admin.close()
    if refusal:
        raise KafkaError(f"the user {KAFKA_USER} cannot be made: {refusal}")


def new_cluster_id() -> str:
    """A random Kafka `Uuid`. It never begins with a dash, because Kafka's tools would read that as an option."""
    name = "-"
    while name.startswith("-"):
        name = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return name
