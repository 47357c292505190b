"""The embedded stack is closed: to programs without its secrets, to pages of other sites, to other users."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from services.embedded import elasticsearch
from services.embedded.state import read_stack
from tests.conftest import SEEDS, Stack

NOBODY = 65_534
"""Another user of the machine."""


@pytest.fixture(scope="module")
def ports(stack: Stack) -> Any:
    return read_stack(stack.home)


def status_of(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> int:
    """The status of an answer."""
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def client(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(stack.json("status")["client_file"]).read_text())
    return found


# --- Elasticsearch and Kafka ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [None, "evil.example"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "_cluster/health"), ("GET", "articles/_search"), ("POST", "articles/_close"), ("POST", "_all/_close")],
)
def test_elasticsearch_answers_nobody_without_its_password(
    ports: Any, method: str, path: str, host: str | None
) -> None:
    """An empty POST of a foreign page closed an index once."""
    headers = {} if host is None else {"Host": host, "Origin": f"http://{host}"}
    assert status_of(f"{ports.elasticsearch_url}/{path}", headers, method) == 401


def test_the_client_file_opens_both_servers(stack: Stack) -> None:
    known = client(stack)
    where = known["elasticsearch"]
    assert where["ca"] is None
    assert status_of(f"{where['url']}/articles/_count", where["headers"]) == 200
    admin = KafkaAdminClient(**known["kafka"])
    assert "articles.raw" in admin.list_topics()
    admin.close()


@pytest.mark.parametrize(
    "change",
    [
        {"security_protocol": "PLAINTEXT"},
        {"sasl_plain_password": "wrong"},
        {"sasl_plain_username": "nobody"},
        {"sasl_mechanism": "PLAIN"},
    ],
    ids=["no login", "wrong password", "unknown user", "PLAIN is for the broker alone"],
)
@pytest.mark.parametrize("port", ["kafka_port", "controller_port"])
def test_kafka_answers_nobody_without_its_password(stack: Stack, ports: Any, change: dict[str, str], port: str) -> None:
    arguments = {**client(stack)["kafka"], **change, "bootstrap_servers": f"127.0.0.1:{getattr(ports, port)}"}
    with pytest.raises((KafkaError, ValueError)):
        KafkaConsumer(**arguments, bootstrap_timeout_ms=1500).topics()


def test_the_port_for_other_nodes_speaks_with_who_has_the_certificate_of_the_home(ports: Any) -> None:
    """Between nodes Elasticsearch believes what the other one says of its user."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def answer(*, tls: bool) -> bytes:
        with socket.create_connection(("127.0.0.1", ports.transport_port), timeout=10) as plain:
            try:
                connection = context.wrap_socket(plain) if tls else plain
                connection.sendall(b"ES\x00\x00\x00\x14" + bytes(20))
                return connection.recv(100)
            except (ssl.SSLError, ConnectionError):
                return b""

    assert answer(tls=False) == answer(tls=True) == b""


def test_each_service_may_do_what_it_does_and_no_more(stack: Stack, ports: Any) -> None:
    """The producer only reads; neither it nor the indexer manages users."""
    from services.embedded.credentials import authorization

    def ask(user: str, path: str, method: str = "GET") -> int:
        password = (stack.home / "credentials" / f"elasticsearch-{user}").read_text().strip()
        return status_of(f"{ports.elasticsearch_url}/{path}", {"Authorization": authorization(user, password)}, method)

    assert ask("producer", "articles/_search") == ask("indexer", "articles/_search") == 200
    assert ask("indexer", "_cluster/health") == 200
    assert ask("producer", "articles/_close", "POST") == 403
    assert ask("producer", "_cluster/settings") == 403
    for user in ("producer", "indexer"):
        assert ask(user, "_security/user") == 403
        assert ask(user, "_snapshot") == 403
        assert ask(user, "private", "PUT") == 403
        assert ask(user, "_nodes/_all/reload_secure_settings", "POST") == 403


# --- for the people who may -------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_line_that_up_prints_works_as_typed(stack: Stack) -> None:
    said = stack.run("up", "--detach").stderr
    assert "Already running" in said
    ports = read_stack(stack.home)
    assert ports is not None
    line = f"curl --header @{stack.home}/elasticsearch.header {ports.elasticsearch_url}/articles/_count"
    found = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    assert json.loads(found.stdout)["_shards"]["failed"] == 0


def test_es_asks_with_the_password(stack: Stack, tmp_path: Path) -> None:
    assert json.loads(stack.run("es", "articles/_count").stdout)["count"] >= 0
    query = tmp_path / "query.json"
    query.write_text('{"size": 0, "query": {"match_all": {}}}')
    assert (
        json.loads(stack.run("es", "/articles/_search?timeout=5s", "--data", str(query)).stdout)["hits"]["hits"] == []
    )
    refused = stack.run("es", "nothing/_search", check=False)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["type"] == "index_not_found_exception"
    absent = stack.run("es", "articles/_search", "--data", str(tmp_path / "none.json"), check=False)
    assert absent.returncode == 2
    assert "none.json cannot be read: No such file" in absent.stderr


# --- pages of other sites ---------------------------------------------------------------------------------------------

FOREIGN = [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: next(iter(headers)))
def test_no_port_of_a_service_answers_a_page_of_another_site(ports: Any, headers: dict[str, str]) -> None:
    addresses = [f"http://127.0.0.1:{port}/{path}" for port in ports.metrics_ports.values() for path in ("metrics",)]
    addresses += [f"http://127.0.0.1:{ports.metrics_ports['dedup']}/explain?one=a&other=b"]
    addresses += [f"http://127.0.0.1:{ports.ingest_port}/schema", f"http://127.0.0.1:{ports.ingest_port}/articles"]
    for address in addresses:
        assert status_of(address, headers) == 403, address
    assert status_of(addresses[-1], headers, "POST") == 403, "it has no token either"


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGE = """<!doctype html><title>evil</title><body><script>
const done = [];
async function attempt(name, ask) {
  try { const answer = await ask(); done.push(name + " " + answer.type + " " + answer.status); }
  catch (error) { done.push(name + " blocked"); }
}
(async () => {
  for (const [name, url] of Object.entries(ADDRESSES)) {
    await attempt(name + " read", () => fetch(url));
    await attempt(name + " post", () => fetch(url, {method: "POST", mode: "no-cors", body: ""}));
  }
  document.body.textContent = "tried: " + done.join(", ");
})();
</script>"""


@contextmanager
def serving(page: bytes) -> Iterator[str]:
    """Another site, whose every address shows this page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def browse(url: str, *options: str) -> str:
    """The page that a browser shows once its script has run."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *options]
        shown = subprocess.run(
            [*command, "--virtual-time-budget=20000", "--dump-dom", url],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    return shown.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
def test_a_page_of_another_site_reaches_nothing_in_a_real_browser(stack: Stack, ports: Any) -> None:
    """It can read no answer, and its empty POSTs change nothing: one closed an index once."""
    addresses = {
        "index": f"{ports.elasticsearch_url}/articles/_close",
        "metrics": f"http://127.0.0.1:{ports.metrics_ports['dedup']}/metrics",
        "explain": f"http://127.0.0.1:{ports.metrics_ports['dedup']}/explain?one=a&other=b",
        "push": f"http://127.0.0.1:{ports.ingest_port}/articles",
    }
    page = PAGE.replace("ADDRESSES", json.dumps(addresses)).encode()
    with serving(page) as foreign:
        shown = browse(f"{foreign}/")
    assert "tried: " in shown
    for name in addresses:
        assert f"{name} read blocked" in shown
    assert json.loads(stack.run("es", "articles/_count").stdout)["_shards"]["failed"] == 0, "the index is open"


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
def test_a_rebound_name_shows_nothing_in_a_real_browser(ports: Any) -> None:
    """To the browser the page has the origin of the foreign site, so it may read what it gets."""
    rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    for port, path in ((ports.metrics_ports["dedup"], "metrics"), (ports.ingest_port, "schema")):
        assert "no name of this server" in browse(f"http://evil.example:{port}/{path}", rule)
        assert "no name of this server" not in browse(f"http://127.0.0.1:{port}/{path}", rule)
    assert "_shards" not in browse(f"http://evil.example:{ports.elasticsearch_port}/articles/_search", rule)


# --- other users ------------------------------------------------------------------------------------------------------


def test_the_home_is_closed_to_others(stack: Stack) -> None:
    assert stack.home.stat().st_mode & 0o077 == 0
    open_files = [str(path) for path in stack.home.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert open_files == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_sees_no_file_and_no_server(stack: Stack, ports: Any) -> None:
    """It has the ports, which everybody can list."""
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    listed = subprocess.run([*become, "ls", str(stack.home)], capture_output=True, text=True, check=False)
    assert "Permission denied" in listed.stderr
    code = f"""
import urllib.request, urllib.error
try:
    urllib.request.urlopen("{ports.elasticsearch_url}/articles/_search", timeout=10)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    asked = subprocess.run(
        [*become, "python3", "-c", code], capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.defpath}
    )
    assert asked.stdout.strip() == "401", asked.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="Elasticsearch becomes another user only under root")
def test_without_user_namespaces_elasticsearch_has_a_user_and_a_folder_of_its_own() -> None:
    """That user can enter the home, and list and read nothing else in it."""
    from services.embedded.artifacts import cache_folder

    with tempfile.TemporaryDirectory(prefix="dragoman-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        shutil.copytree(cache_folder().parent, folder / "cache", copy_function=os.link, symlinks=True)
        (folder / "cache").chmod(0o755)
        (folder / "bin").mkdir()
        (folder / "bin" / "unshare").write_text("#!/bin/sh\nexit 1\n")
        (folder / "bin" / "unshare").chmod(0o755)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        cache = str(folder / "cache" / cache_folder().name)
        running = Stack(folder / "home", {"PATH": path, "DRAGOMAN_CACHE": cache})
        try:
            running.run("up", "--detach", "--workers", "1")
            server = elasticsearch.find_server(running.home)
            assert server is not None
            assert server.uids().real == elasticsearch.UNPRIVILEGED_ID
            become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            for what in (running.home, running.home / "elasticsearch", running.home / "endpoints.json"):
                seen = subprocess.run([*become, "cat", str(what)], capture_output=True, text=True, check=False)
                assert "Permission denied" in seen.stderr or "Is a directory" in seen.stderr
            listed = subprocess.run([*become, "ls", str(running.home)], capture_output=True, text=True, check=False)
            assert "Permission denied" in listed.stderr
            assert running.home.stat().st_mode & 0o777 == 0o711
            readable = [
                str(path)
                for path in running.home.rglob("*")
                if not path.is_symlink() and path.stat().st_mode & 0o077 and path.stat().st_uid == os.geteuid()
            ]
            assert readable == []
            assert running.documents("articles") == {}
            assert "Already running" in running.run("up", "--detach").stderr
            assert running.home.stat().st_mode & 0o777 == 0o711, "Elasticsearch still gets to its files"
            running.run("replay", str(SEEDS), "--wait")
            running.run("down")
            running.run("up", "--detach", "--workers", "1")
            assert len(running.documents("articles")) == 5
        finally:
            running.run("down", check=False)


# --- the secrets ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> dict[str, str]:
    """Every generated secret of the home, by the name of its file."""
    return {path.name: path.read_text().strip() for path in (stack.home / "credentials").iterdir()}


def holders(home: Path, secret: str) -> Iterator[str]:
    for path in home.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            yield str(path.relative_to(home))


def test_secrets_are_in_their_private_files_and_nowhere_else(stack: Stack, ports: Any, secrets: dict[str, str]) -> None:
    assert len(secrets) == 6
    expected = {
        "kafka": {"credentials/kafka", "client.json", "endpoints.json"},
        "kafka-broker": {"credentials/kafka-broker", "kafka/server.properties"},
        "elasticsearch-operator": {"credentials/elasticsearch-operator", "endpoints.json"},
        "elasticsearch-transport": {"credentials/elasticsearch-transport", "elasticsearch/config/elasticsearch.yml"},
        "elasticsearch-indexer": {"credentials/elasticsearch-indexer"},
        "elasticsearch-producer": {"credentials/elasticsearch-producer"},
    }
    assert {name: set(holders(stack.home, secret)) for name, secret in secrets.items()} == expected
    told = json.dumps(stack.json("status")) + stack.run("status").stdout
    for port in ports.metrics_ports.values():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            told += answer.read().decode()
    for process in psutil.process_iter():
        try:
            told += " ".join(process.cmdline())
            if str(stack.home) in " ".join(process.environ().values()):
                told += " ".join(process.environ().values())
        except psutil.Error:
            continue
    assert str(stack.home) in told, "the processes of the stack were seen"
    assert [name for name, secret in secrets.items() if secret in told] == []


def test_a_home_of_an_earlier_version_goes_on_with_new_secrets(tmp_path: Path) -> None:
    """Its files were open and it had no secrets. What was indexed and what Kafka has stays."""
    from tests.conftest import start

    home = tmp_path / "home"
    try:
        running = start(home, "--workers", "1")
        article = tmp_path / "one.txt"
        article.write_text("De brug over de rivier is maandag in Utrecht geopend door de burgemeester.")
        running.run("replay", str(article), "--source-id", "old", "--wait")
        running.run("down")
        before = {path.name: path.read_text() for path in (home / "credentials").iterdir()}
        shutil.rmtree(home / "credentials")
        for path in (home, *home.rglob("*")):
            path.chmod(path.stat().st_mode | 0o055)
        running = start(home, "--workers", "1")
        after = {path.name: path.read_text() for path in (home / "credentials").iterdir()}
        assert before.keys() == after.keys()
        assert not set(before.values()) & set(after.values())
        assert home.stat().st_mode & 0o077 == 0
        assert len(running.documents("articles")) == 1
        books = running.json("status")["books"]
        assert books["balanced"]
        running.run("replay", str(article), "--source-id", "new", "--wait")
        assert len(running.documents("articles")) == 2
    finally:
        Stack(home).run("down", check=False)


def test_a_password_that_is_wrong_is_a_sentence(stack: Stack) -> None:
    """Kafka's and Elasticsearch's refusals name the setting, and not the password."""
    environment = {**os.environ, "DRAGOMAN_HOME": str(stack.home), "DRAGOMAN_ELASTICSEARCH_PASSWORD": "hush-hush"}
    command = [str(Path(sys.executable).with_name("dragoman")), "search", "bridge"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode
    assert "DRAGOMAN_ELASTICSEARCH_USERNAME" in refused.stderr
    assert "hush-hush" not in refused.stderr
    environment = {**os.environ, "DRAGOMAN_HOME": str(stack.home), "DRAGOMAN_KAFKA_PASSWORD": "hush-hush"}
    refused = subprocess.run([*command[:1], "verify"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "DRAGOMAN_KAFKA_USERNAME" in refused.stderr
    assert "hush-hush" not in refused.stderr
