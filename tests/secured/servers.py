"""Kafka and Elasticsearch with TLS and users, as a cluster of somebody else has them. Real servers, on loopback."""

from __future__ import annotations

import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from services.common.private_files import write_private
from services.embedded import artifacts, elasticsearch, java
from services.embedded.credentials import authorization, hashed, make_credentials
from services.embedded.java import QUICK_COMPILER
from services.embedded.kafka import LOG4J, Kafka, login, new_cluster_id
from services.embedded.stack import _free_port, install
from tests.processes import end
from tests.secured.certificates import Certificates

USER, PASSWORD = "news", "a password of the test"
NO_RIGHTS = "reader"
"""A user that may connect and do nothing."""
ADMIN, ADMIN_PASSWORD = "admin", "the password of the broker"
START_SECONDS = 90
LISTENERS = ("TLS", "LOGIN", "BOTH", "EXPIRED", "OTHERHOST")
"""TLS with certificates of both sides, SASL without TLS, SASL with TLS; and with bad certificates of the server."""
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},ADMIN://127.0.0.1:{admin},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=TLS:SSL,LOGIN:SASL_PLAINTEXT,BOTH:SASL_SSL,EXPIRED:SASL_SSL,OTHERHOST:SASL_SSL,\
ADMIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=ADMIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin_user};User:ANONYMOUS
ssl.principal.mapping.rules=RULE:^CN=([^,]+),.*$/$1/
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.location={server}
ssl.truststore.location={ca}
listener.name.tls.ssl.client.auth=required
listener.name.expired.ssl.keystore.location={expired}
listener.name.expired.ssl.keystore.type=PEM
listener.name.otherhost.ssl.keystore.location={other_host}
listener.name.otherhost.ssl.keystore.type=PEM
{logins}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes=40000000
replica.fetch.max.bytes=40000000
"""
LOGINS = """listener.name.{listener}.plain.sasl.jaas.config={plain}
listener.name.{listener}.scram-sha-256.sasl.jaas.config={scram}
listener.name.{listener}.scram-sha-512.sasl.jaas.config={scram}"""
PLAIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'username="{ADMIN}" password="{ADMIN_PASSWORD}" user_{ADMIN}="{ADMIN_PASSWORD}" '
    f'user_{USER}="{PASSWORD}" user_{NO_RIGHTS}="{PASSWORD}";'
)
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
HTTPS = """xpack.security.http.ssl.key: {config}/http.key
xpack.security.http.ssl.certificate: {config}/http.crt
"""
END_OF_KEY = "-----END PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The addresses of both servers."""

    listeners: dict[str, int]
    elasticsearch_port: int
    elasticsearch_config: Path
    certificates: Certificates

    def kafka(self, listener: str) -> dict[str, str]:
        """The variables by which Dragoman reaches one of Kafka's listeners as it should."""
        values = {"DRAGOMAN_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.listeners[listener]}"}
        if listener != "LOGIN":
            values["DRAGOMAN_KAFKA_CA_CERTS"] = str(self.certificates.ca)
        if listener == "TLS":
            values["DRAGOMAN_KAFKA_SECURITY_PROTOCOL"] = "SSL"
            values["DRAGOMAN_KAFKA_CLIENT_CERT"] = str(self.certificates.client)
            return values
        values["DRAGOMAN_KAFKA_SECURITY_PROTOCOL"] = "SASL_PLAINTEXT" if listener == "LOGIN" else "SASL_SSL"
        return {**values, "DRAGOMAN_KAFKA_USERNAME": USER, "DRAGOMAN_KAFKA_PASSWORD": PASSWORD}

    def elasticsearch(self) -> dict[str, str]:
        """The variables by which Dragoman reaches Elasticsearch as it should."""
        return {
            "DRAGOMAN_ELASTICSEARCH_URL": f"https://127.0.0.1:{self.elasticsearch_port}",
            "DRAGOMAN_ELASTICSEARCH_CA_CERTS": str(self.certificates.ca),
            "DRAGOMAN_ELASTICSEARCH_USERNAME": USER,
            "DRAGOMAN_ELASTICSEARCH_PASSWORD": PASSWORD,
        }


@contextmanager
def secured_cluster(folder: Path, certificates: Certificates) -> Iterator[Cluster]:
    """Both servers. They are ended by their pids, also when a test fails."""
    locked, cache, found = artifacts.read_lock(), artifacts.cache_folder(), java.find_java()
    if wanted := artifacts.missing(locked, cache):
        artifacts.fetch(wanted, cache, lambda *_: None)
    server, jars = install(locked, cache, found)
    taken: set[int] = set()
    ports = {}
    for name in (*LISTENERS, "ADMIN", "CONTROLLER", "HTTP", "TRANSPORT"):
        ports[name] = _free_port(taken)
        taken.add(ports[name])
    search = elasticsearch.Elasticsearch(
        str(server), str(found.home), str(folder / "elasticsearch"), ports["HTTP"], ports["TRANSPORT"]
    )
    broker = Kafka(found, jars, folder / "kafka", ports["ADMIN"], ports["CONTROLLER"], 40_000_000, (QUICK_COMPILER,))
    with _kafka(broker, ports, certificates), _elasticsearch(search, certificates):
        yield Cluster(
            {name: ports[name] for name in LISTENERS}, ports["HTTP"], Path(search.folder) / "config", certificates
        )


@contextmanager
def _kafka(broker: Kafka, ports: dict[str, int], certificates: Certificates) -> Iterator[None]:
    data = broker.folder / "data"
    data.mkdir(parents=True)
    (broker.folder / "log4j2.xml").write_text(LOG4J, encoding="utf8")
    logins = [LOGINS.format(listener=name.lower(), plain=PLAIN, scram=SCRAM) for name in (*LISTENERS[1:], "ADMIN")]
    properties = PROPERTIES.format(
        listeners=",".join(f"{name}://127.0.0.1:{ports[name]}" for name in LISTENERS),
        admin=ports["ADMIN"],
        controller=ports["CONTROLLER"],
        admin_user=ADMIN,
        server=certificates.server,
        ca=certificates.ca,
        expired=certificates.expired,
        other_host=certificates.other_host,
        logins="\n".join(logins),
        data=data,
    )
    path = broker.folder / "server.properties"
    path.write_text(properties, encoding="utf8")
    arguments = ("format", "-t", new_cluster_id(), "-c", str(path))
    subprocess.run(broker.command("kafka.tools.StorageTool", *arguments), check=True, capture_output=True)
    log = (broker.folder / "log").open("wb")
    process = subprocess.Popen(broker.command(), stdout=log, stderr=log)
    try:
        _wait(lambda: _make_users(ports["ADMIN"]), broker.folder / "log")
        yield
    finally:
        end(process)
        log.close()


def _make_users(port: int) -> None:
    admin = KafkaAdminClient(
        bootstrap_servers=f"127.0.0.1:{port}",
        bootstrap_timeout_ms=3000,
        **login("PLAIN", ADMIN, ADMIN_PASSWORD),
    )
    try:
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # one of a user at a time
            users = [UserScramCredentialUpsertion(user, mechanism, PASSWORD) for user in (USER, NO_RIGHTS)]
            refusals = [reason for reason in admin.alter_user_scram_credentials(users).values() if reason]
            if refusals:
                raise KafkaError(refusals[0])
        everything = [
            ResourcePattern(kind, name)
            for kind, name in (
                (ResourceType.TOPIC, "*"),
                (ResourceType.GROUP, "*"),
                (ResourceType.CLUSTER, "kafka-cluster"),
                (ResourceType.TRANSACTIONAL_ID, "*"),
            )
        ]
        admin.create_acls(
            [ACL(f"User:{USER}", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, place) for place in everything]
        )
    finally:
        admin.close()


@contextmanager
def _elasticsearch(search: elasticsearch.Elasticsearch, certificates: Certificates) -> Iterator[None]:
    config = Path(search.folder) / "config"
    search.configure(make_credentials(Path(search.folder)), (QUICK_COMPILER,))
    show_certificate(config, certificates.server)
    text = (config / "elasticsearch.yml").read_text(encoding="utf8") + HTTPS.format(config=config)
    text = text.replace("xpack.security.http.ssl.enabled: false", "xpack.security.http.ssl.enabled: true")
    (config / "elasticsearch.yml").write_text(text, encoding="utf8")
    (config / "users").write_text(f"{USER}:{hashed(PASSWORD)}\n{NO_RIGHTS}:{hashed(PASSWORD)}\n", encoding="utf8")
    (config / "users_roles").write_text(f"superuser:{USER}\nnothing:{NO_RIGHTS}\n", encoding="utf8")
    (config / "roles.yml").write_text("nothing: {}\n", encoding="utf8")
    search.launch()
    try:
        _wait(lambda: _ask(search.port, certificates), Path(search.folder) / "logs" / "dragoman.log")
        yield
    finally:
        process = search.process()
        if process is not None:
            process.terminate()
            process.wait(30)


def show_certificate(config: Path, pem: Path) -> None:
    """Give Elasticsearch a certificate and its key. It takes new ones while it runs, after at most five seconds."""
    key, end, chain = pem.read_text(encoding="ascii").partition(END_OF_KEY)
    write_private(config / "http.key", key + end)
    write_private(config / "http.crt", chain)


def _ask(port: int, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    headers = {"Authorization": authorization(USER, PASSWORD)}
    request = urllib.request.Request(f"https://127.0.0.1:{port}/_cluster/health", headers=headers)
    urllib.request.urlopen(request, timeout=3, context=context).close()


def _wait(ready: Callable[[], None], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except (KafkaError, OSError) as error:
            if time.monotonic() > deadline:
                end = log.read_text(encoding="utf8", errors="replace")[-3000:] if log.exists() else ""
                raise RuntimeError(f"a server does not start: {error}\n{end}") from error
            time.sleep(0.3)
        else:
            return
