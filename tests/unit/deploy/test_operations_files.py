"""The files that run Dragoman elsewhere agree with the code: compose, Dockerfile, Prometheus, Grafana, Kibana."""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with check-jsonschema
import prometheus_client
import pytest
import typer.main
import yaml
from pydantic_settings import BaseSettings

import services
from schemas.dead_letter import ErrorClass
from schemas.feed import Feed
from schemas.topics import TOPICS
from services.cli.main import app
from services.common import metrics as common_metrics
from services.common.settings import ElasticsearchSettings, Settings
from services.dedup import app as dedup
from services.dedup.grouping import GroupingOutcome
from services.embedded.settings import EmbeddedSettings
from services.indexer import app as indexer
from services.indexer.bulk import Verdict
from services.indexer.indices import ARTICLES, STORIES, VERSION, mapping
from services.producer.feeds import metrics as producer_metrics
from services.producer.feeds.collect import feed_condition
from services.producer.feeds.file import load_feeds
from services.producer.feeds.state import FeedState
from services.producer.fetch.client import Failure
from services.producer.ledger.jobs import ItemOutcome
from services.producer.ledger.writer import SERVICE as PRODUCER
from services.producer.settings import ProducerSettings
from services.worker import app as worker
from tests.kibana import fields_of, read_objects, requests
from tests.panels.expressions import read_expression

ROOT = Path(__file__).resolve().parents[3]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
PREFIX = "DRAGOMAN_"
SERVICES = frozenset({PRODUCER, worker.SERVICE, dedup.SERVICE, indexer.SERVICE, indexer.STORY_SERVICE})
OUTCOMES = frozenset({"enriched", "dead", *GroupingOutcome, *Verdict, *ItemOutcome})
POLL_OUTCOMES = frozenset({"changed", "unchanged", *Failure})
FEED_STATES = frozenset({"ok", "failing", "silent", "paused", "new"})
TARGET_LABELS = frozenset({"job", "instance"})
"""What Prometheus adds to every sample."""
PROMETHEUS_OWN = {"up": frozenset[str](), "ALERTS": frozenset({"alertname", "alertstate", "severity"})}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf8"))
    return loaded


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    found = {name: one for name, one in compose["services"].items() if one["image"].startswith("dragoman:")}
    assert {"setup", "producer", "worker-1", "worker-2", "dedup", "indexer", "replay"} <= found.keys()
    return found


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/dragoman.json").read_text(encoding="utf8"))
    return loaded


# --- compose and Dockerfile -------------------------------------------------------------------------------------------


def test_compose_fits_the_compose_schema(compose: dict[str, Any]) -> None:
    """The compose file is valid against the schema that check-jsonschema brings as `vendor.compose-spec`."""
    package = importlib.util.find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    schema_file = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(schema_file.read_text(encoding="utf8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(compose)] == []


def _settings_classes() -> set[type[BaseSettings]]:
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if module.name.endswith(".settings"):
            importlib.import_module(module.name)
    classes: set[type[BaseSettings]] = {EmbeddedSettings}
    waiting: list[type[Settings]] = [Settings]
    while waiting:
        found = waiting.pop()
        classes.add(found)
        waiting += found.__subclasses__()
    return classes


def test_every_variable_is_a_setting() -> None:
    """Every DRAGOMAN_ variable in the compose file and the Dockerfile is a field of a settings class."""
    fields = {
        f"{cls.model_config['env_prefix']}{field}".upper() for cls in _settings_classes() for field in cls.model_fields
    }
    used = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+", COMPOSE_FILE.read_text(encoding="utf8")))
    used |= set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+", DOCKERFILE.read_text(encoding="utf8")))
    assert len(used) > 8
    assert used - fields == set()


def test_every_process_has_settings_that_are_valid(
    ours: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values that compose gives each service of ours pass the settings' own checks and arrive unchanged."""
    for name, one in ours.items():
        with monkeypatch.context() as context:
            for variable, value in one["environment"].items():
                context.setenv(variable, value)
            several = [cls(home=ROOT / "does-not-exist") for cls in (ElasticsearchSettings, ProducerSettings)]
        for settings in several:
            for variable, value in one["environment"].items():
                field = variable.removeprefix(PREFIX).lower()
                if field in type(settings).model_fields and not SECRET.search(variable):
                    assert str(getattr(settings, field)) == value, f"{name}: {variable}"


def test_every_command_exists(ours: dict[str, dict[str, Any]]) -> None:
    """Every service of ours runs a module with a `__main__`, or a command of `dragoman`."""
    known = set(typer.main.get_group(app).commands)
    for name, one in ours.items():
        match one["command"]:
            case ["python", "-m", module, *_]:
                assert importlib.util.find_spec(f"{module}.__main__") is not None, f"{name}: {module}"
            case ["dragoman", command, *_]:
                assert command in known, f"{name}: dragoman {command}"
            case other:
                pytest.fail(f"{name} runs {other}")


def _copy_sources() -> list[str]:
    text = DOCKERFILE.read_text(encoding="utf8").replace("\\\n", " ")
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [source for line in lines for source in line[:-1]]


def test_every_path_exists(compose: dict[str, Any]) -> None:
    """What the Dockerfile copies, what it is built from and what compose mounts from here is in the repository."""
    sources = _copy_sources()
    mounts = [
        volume.split(":")[0]
        for one in compose["services"].values()
        for volume in one.get("volumes", [])
        if volume.startswith(".")
    ]
    builds = [one["build"]["dockerfile"] for one in compose["services"].values() if "build" in one]
    assert len(sources) > 4
    assert len(mounts) > 4
    assert [path for path in (*sources, *mounts, *builds) if not (ROOT / path).exists()] == []


def test_the_build_sees_what_it_copies() -> None:
    """`.dockerignore` lets through everything that the Dockerfile copies, and no secret."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    allowed = {pattern[1:].strip("/") for pattern in patterns if pattern.startswith("!")}
    assert {source.split("/")[0] for source in _copy_sources()} == allowed
    assert ".env" not in allowed


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    """Named volumes are declared, and each declared one is used."""
    used = {
        volume.split(":")[0]
        for one in compose["services"].values()
        for volume in one.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(compose["volumes"])


def test_kafka_takes_the_largest_message(compose: dict[str, Any], ours: dict[str, dict[str, Any]]) -> None:
    """Kafka's limit is the one that follows from the largest article, and topics are not made by accident."""
    (largest,) = {one["environment"]["DRAGOMAN_MAX_ARTICLE_BYTES"] for one in ours.values()}
    limit = Settings(home=ROOT / "does-not-exist", max_article_bytes=int(largest)).max_request_bytes
    kafka = compose["services"]["kafka"]["environment"]
    assert int(kafka["KAFKA_MESSAGE_MAX_BYTES"]) == limit
    assert int(kafka["KAFKA_REPLICA_FETCH_MAX_BYTES"]) == limit
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


@pytest.mark.parametrize(
    ("index", "made"),
    [
        ("articles", False),
        ("stories", False),
        ("news.articles", False),
        ("news.stories-v2", False),
        (".kibana_1", True),
    ],
)
def test_elasticsearch_makes_no_index_of_ours_by_itself(compose: dict[str, Any], index: str, made: bool) -> None:  # noqa: FBT001
    """The first matching pattern decides: our indices are refused in every namespace, others (Kibana's) are made."""
    patterns = compose["services"]["elasticsearch"]["environment"]["action.auto_create_index"].split(",")
    first = next(pattern for pattern in patterns if fnmatchcase(index, pattern[1:]))
    assert (first[0] == "+") is made


def test_our_containers_are_locked_down(ours: dict[str, dict[str, Any]]) -> None:
    """Ours run read-only, without capabilities, as the image's user, and the folders they write are mounted."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE.read_text(encoding="utf8"), re.MULTILINE) == ["10001:10001"]
    (home,) = re.findall(r"DRAGOMAN_HOME=(\S+)", DOCKERFILE.read_text(encoding="utf8"))
    for name, one in ours.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in one, name
        mounted = [entry.split(":")[0] for entry in one["tmpfs"]]
        mounted += [volume.split(":")[1] for volume in one.get("volumes", []) if not volume.startswith(".")]
        assert sorted(mounted) == sorted(["/tmp", home]), name  # noqa: S108 - a mount point in a container


def test_every_service_is_limited_pinned_and_local(compose: dict[str, Any]) -> None:
    """Every service has a restart policy, a memory limit and an exact version; ports are for this machine only."""
    for name, one in compose["services"].items():
        assert one["restart"] in ("unless-stopped", "no"), name
        assert "mem_limit" in one, name
        assert re.search(r":v?\d+\.\d+\.\d+$", one["image"]), name
        assert [port for port in one.get("ports", []) if not port.startswith("127.0.0.1:")] == [], name
        assert "healthcheck" in one or one["restart"] == "no", name
    images = [one["image"] for one in compose["services"].values()]
    assert len({image.rpartition(":")[2] for image in images if "elastic.co" in image}) == 1
    base = re.findall(r"^FROM (python:\S+)", DOCKERFILE.read_text(encoding="utf8"), re.MULTILINE)
    assert [image for image in base if not re.fullmatch(r"python:3\.13\.\d+-slim-\w+", image)] == []
    assert base


def test_dependencies_can_be_waited_for(compose: dict[str, Any]) -> None:
    """What must be healthy has a health check; what must have ended is not restarted."""
    for name, one in compose["services"].items():
        for other, how in one.get("depends_on", {}).items():
            needed = compose["services"][other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in needed, f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully", f"{name} waits for {other}"
                assert needed["restart"] == "no", f"{name} waits for {other}"


def _running(ours: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in ours.items() if one["restart"] != "no"}


def test_every_process_has_a_name_of_its_own(ours: dict[str, dict[str, Any]]) -> None:
    """DRAGOMAN_INSTANCE is set and differs: two members of a group with one name throw each other out."""
    names = [one["environment"]["DRAGOMAN_INSTANCE"] for one in _running(ours).values()]
    assert len(names) > 3
    assert len(set(names)) == len(names)


def test_health_checks_ask_the_metrics_port(ours: dict[str, dict[str, Any]]) -> None:
    """The health check of a service asks the port that the service was told."""
    for name, one in _running(ours).items():
        port = one["environment"]["DRAGOMAN_METRICS_PORT"]
        assert f"'http://127.0.0.1:{port}/healthz'" in " ".join(one["healthcheck"]["test"]), name


def test_the_producer_is_reached_and_finds_its_feeds(ours: dict[str, dict[str, Any]]) -> None:
    """Its port is published as it listens, its feeds file is mounted and good, and `replay` has the same store."""
    one = ours["producer"]
    environment = one["environment"]
    port = environment["DRAGOMAN_INGEST_PORT"]
    assert one["ports"] == [f"127.0.0.1:${{INGEST_PORT:-{port}}}:{port}"]
    assert environment["DRAGOMAN_INGEST_HOST"] == "0.0.0.0"  # noqa: S104 - all addresses of a container
    volumes = dict(reversed(volume.removesuffix(":ro").split(":")) for volume in one["volumes"])
    feeds = Path(environment["DRAGOMAN_FEEDS"])
    load_feeds(ROOT / volumes[str(feeds.parent)] / feeds.name)
    assert {volume for volume in one["volumes"] if volume.startswith("ledger:")} <= set(ours["replay"]["volumes"])
    assert volumes["/var/lib/dragoman"] == "ledger"


def test_prometheus_scrapes_every_process(ours: dict[str, dict[str, Any]], compose: dict[str, Any]) -> None:
    """Every process is scraped on its DRAGOMAN_METRICS_PORT, nothing else is, and the rules are mounted."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf8"))
    jobs = {
        job["job_name"]: [
            *(target for static in job["static_configs"] for target in static["targets"]),
            *(f"{name}:{found['port']}" for found in job.get("dns_sd_configs", ()) for name in found["names"]),
        ]
        for job in config["scrape_configs"]
    }
    expected = [f"{name}:{one['environment']['DRAGOMAN_METRICS_PORT']}" for name, one in _running(ours).items()]
    assert sorted(jobs.pop("dragoman")) == sorted(expected)
    assert jobs.keys() == {"prometheus"}
    (mount,) = [v.split(":") for v in compose["services"]["prometheus"]["volumes"] if v.startswith(".")]
    assert {
        name for job in config["scrape_configs"] for found in job.get("dns_sd_configs", ()) for name in found["names"]
    } == {name for name, one in ours.items() if one.get("profiles")} - {"replay"}
    for rule_file in config["rule_files"]:
        assert (ROOT / mount[0] / Path(rule_file).relative_to(mount[1])).is_file()


SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY$|API_KEY")
REQUIRED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def _scalars(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _scalars(one)
    elif isinstance(value, list):
        for one in value:
            yield from _scalars(one)
    else:
        yield str(value)


def test_no_password_is_written_down(compose: dict[str, Any]) -> None:
    """Every secret comes from the environment and is required; none has a default; the example file has none."""
    secrets = 0
    for name, one in compose["services"].items():
        for variable, value in one.get("environment", {}).items():
            if SECRET.search(variable):
                assert REQUIRED.fullmatch(str(value)), f"{name}: {variable}"
                secrets += 1
        for text in _scalars(one):
            for user_password in re.findall(r"\belastic:(\S*)", text):
                assert user_password.startswith(("$${", "$$E", "${ELASTIC_PASSWORD:?")), f"{name}: {text}"
            for password in re.findall(r'"password": "(.*)"', text):
                assert REQUIRED.fullmatch(password), f"{name}: {text}"
            assert not re.search(r"://[^/\s]*:[^/\s]*@", text), f"{name}: a password in a URL"
    assert secrets > 6


def test_the_example_environment_is_complete() -> None:
    """`.env.example` names exactly the variables that compose reads, and gives no value to a secret."""
    example = (ROOT / ".env.example").read_text(encoding="utf8")
    known = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    read = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE_FILE.read_text(encoding="utf8")))
    assert known.keys() == read
    assert {name: value for name, value in known.items() if SECRET.search(name) and value} == {}
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", COMPOSE_FILE.read_text(encoding="utf8")))
    assert {name: value for name, value in known.items() if value} == defaults


# --- Prometheus and Grafana -------------------------------------------------------------------------------------------


def _code_metrics() -> dict[str, frozenset[str]]:
    """Every sample name that our processes can export, with its labels."""
    assert common_metrics.OUTCOMES
    assert producer_metrics.POLLS
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    names: dict[str, frozenset[str]] = {}
    for collector in set(prometheus_client.REGISTRY._names_to_collectors.values()):
        if isinstance(collector, prometheus_client.metrics.MetricWrapperBase):
            for suffix in suffixes[str(collector._type)]:
                labels = frozenset(collector._labelnames) | ({"le"} if suffix == "_bucket" else set())
                names[collector._name + suffix] = labels
        else:  # the process's and the interpreter's own
            for family in collector.collect():
                names |= {sample.name: frozenset(sample.labels) for sample in family.samples}
    return names


@pytest.fixture(scope="module")
def known(rules: list[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Every metric that may be asked for: the code's, Prometheus' own, and what the rules record."""
    recorded: dict[str, frozenset[str]] = {}
    for rule in rules:
        if "record" in rule:
            recorded[rule["record"]] = frozenset(rule.get("labels", {}))
    code = _code_metrics()
    assert "dragoman_outcomes_total" in code
    assert "dragoman_feed_polls_total" in code
    assert "process_start_time_seconds" in code
    return code | PROMETHEUS_OWN | recorded


def _expressions(rules: list[dict[str, Any]], dashboard: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Where: (expression, the texts that use its labels)."""
    found: dict[str, tuple[str, str]] = {}
    for rule in rules:
        texts = " ".join(rule.get("annotations", {}).values())
        found[f"rule {rule.get('alert') or rule['record']} {rule.get('labels', {})}"] = (rule["expr"], texts)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found[f"panel {panel['title']} {target['refId']}"] = (target["expr"], target["legendFormat"])
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            found[f"annotation {annotation['name']}"] = (annotation["expr"], annotation["titleFormat"])
    assert len(found) > 30
    return found


def test_every_metric_and_label_exists(
    rules: list[dict[str, Any]], dashboard: dict[str, Any], known: dict[str, frozenset[str]]
) -> None:
    """Rules and panels ask for metrics that the code exports, by labels that those metrics have."""
    for where, (expression, _) in _expressions(rules, dashboard).items():
        read = read_expression(expression)
        assert read.metrics, where
        assert read.metrics - known.keys() == set(), where
        for metric, matchers in read.selectors:
            assert matchers.keys() - known[metric] - TARGET_LABELS == set(), f"{where}: {metric}"
        of_metrics = frozenset[str]().union(*(known[metric] for metric in read.metrics))
        assert read.grouping - of_metrics - TARGET_LABELS == set(), where


def test_every_label_value_exists(rules: list[dict[str, Any]], dashboard: dict[str, Any]) -> None:
    """Services, outcomes, states, topics and processes that expressions select by are those of the code."""
    topics = {topic.name for topic in TOPICS}
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf8"))["scrape_configs"]
    targets = [target for job in scraped for static in job["static_configs"] for target in static["targets"]]
    seen: set[str] = set()
    for where, (expression, _) in _expressions(rules, dashboard).items():
        for metric, matchers in read_expression(expression).selectors:
            for label, allowed in (
                ("service", SERVICES),
                ("outcome", POLL_OUTCOMES if metric == "dragoman_feed_polls_total" else OUTCOMES),
                ("error_class", frozenset(ErrorClass)),
                ("state", FEED_STATES),
                ("failure", frozenset(Failure)),
            ):
                if label in matchers:
                    seen.add(label)
                    assert set(matchers[label].split("|")) <= allowed, where
            if "topic" in matchers:
                seen.add("topic")
                assert any(re.fullmatch(matchers["topic"], name) for name in topics), where
                assert any(re.fullmatch(matchers["topic"], f"news.{name}") for name in topics), where
            if "instance" in matchers:
                seen.add("instance")
                assert any(re.fullmatch(matchers["instance"], target) for target in targets), where
            if "job" in matchers:
                assert matchers["job"] == "dragoman", where
    assert {"service", "outcome", "topic", "state", "failure", "instance"} <= seen


def test_states_of_feeds_are_those_of_the_collector() -> None:
    """The states that expressions may select by are what the collector says of feeds, and no other."""
    feed, now = Feed(id="a", url="https://example.org/feed"), 10.0**9
    regular = FeedState(last_success_at=now, last_new_at=now - 1, gaps=(3600.0,) * 5)
    states = {
        feed_condition(feed.model_copy(update={"paused": True}), FeedState(), now),
        feed_condition(feed, FeedState(error_streak=1), now),
        feed_condition(feed, FeedState(), now),
        feed_condition(feed, regular, now),
        feed_condition(feed, regular, now + 25 * 3600),
    }
    assert states == FEED_STATES
    assert set(producer_metrics.FEEDS._documentation.partition(": ")[2].rstrip(".").split(", ")) == FEED_STATES


def test_texts_use_labels_that_are_there(
    rules: list[dict[str, Any]], dashboard: dict[str, Any], known: dict[str, frozenset[str]]
) -> None:
    """A legend or an alert's sentence only names labels that the expression's result has."""
    used = 0
    for where, (expression, texts) in _expressions(rules, dashboard).items():
        read = read_expression(expression)
        aggregated = re.match(r"\s*(?:sum|max|min|histogram_quantile)\b", expression)
        labels = (
            read.grouping if aggregated else frozenset[str]().union(*(known[m] for m in read.metrics)) | TARGET_LABELS
        )
        for label in re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", texts):
            used += 1
            assert label in labels, f"{where}: {label}"
    assert used > 20


def test_every_alert_says_what_to_do(rules: list[dict[str, Any]]) -> None:
    """An alert has a severity, a one-line summary and a description; commands in it are commands of `dragoman`."""
    alerts = [rule for rule in rules if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 8
    group = typer.main.get_group(app)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
        assert "\n" not in summary.strip(), rule["alert"]
        assert len(description) > len(summary), rule["alert"]
        for command, subcommand in re.findall(r"`dragoman (\w+)(?: (\w+))?", description):
            assert command in group.commands, rule["alert"]
            inner = getattr(group.commands[command], "commands", None)
            assert inner is None or subcommand in inner, f"{rule['alert']}: {command} {subcommand}"


def test_the_dashboard_is_whole(dashboard: dict[str, Any], compose: dict[str, Any]) -> None:
    """Fixed uid, distinct panel ids, no panel over another, and the datasource that is provisioned."""
    folder = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text(encoding="utf8"))["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/dragoman.yml").read_text(encoding="utf8"))["providers"]
    assert (dashboard["uid"], dashboard["title"]) == ("dragoman", "Dragoman")
    (annotation,) = [one for one in dashboard["annotations"]["list"] if "expr" in one]
    panels = dashboard["panels"]
    assert annotation["datasource"] == {"type": source["type"], "uid": source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & own, panel["title"]
        assert max(x for x, _ in own) < 24, panel["title"]
        cells |= own
        asked = [panel.get("datasource"), *(target["datasource"] for target in panel.get("targets", []))]
        expected = {"type": source["type"], "uid": source["uid"]}
        assert all(one == expected for one in asked if one is not None), panel["title"]
        assert panel["type"] == "row" or panel["targets"], panel["title"]
    grafana = compose["services"]["grafana"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"]}
    assert (ROOT / mounts[provider["options"]["path"]] / "dragoman.json").is_file()
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / mounts[str(home.parent)] / home.name).is_file()
    assert source["url"] == "http://prometheus:9090"


# --- Kibana -----------------------------------------------------------------------------------------------------------


def _fields(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every field that can be searched, with its type."""
    for name, field in properties.items():
        for sub, kind in field.get("fields", {}).items():
            yield f"{prefix}{name}.{sub}", kind["type"]
        if "properties" in field:
            yield from _fields(field["properties"], f"{prefix}{name}.")
        elif field.get("enabled", True) and field.get("index", True):
            yield f"{prefix}{name}", field["type"]


def test_kibana_names_fields_that_exist() -> None:
    """Views, panels, the map and the saved search name fields of the mapping, and count and sort by what they can."""
    objects = read_objects()
    fields = {alias: dict(_fields(mapping(alias)["properties"])) for alias in (ARTICLES, STORIES)}
    views = [one["attributes"] for one in objects if one["type"] == "index-pattern"]
    for view in views:
        known = fields[view["title"]]
        assert known[view["timeFieldName"]] == "date"
        assert json.loads(view["fieldAttrs"]).keys() <= known.keys()
    assert sorted(view["title"] for view in views) == [ARTICLES, ARTICLES, STORIES]
    asked = list(requests(objects))
    assert len(asked) >= 11
    for name, alias, request in asked:
        used = set(fields_of(request))
        assert used, name
        assert used - fields[alias].keys() == set(), name
        assert [field for field in used if fields[alias][field] == "text"] == [], name
    (search,) = [one for one in objects if one["type"] == "search"]
    assert set(search["attributes"]["columns"]) <= fields[ARTICLES].keys()


def test_kibana_objects_refer_to_each_other_and_do_not_overwrite(compose: dict[str, Any]) -> None:
    """A new version has new ids, so that an import brings it and keeps what a user has changed."""
    objects = read_objects()
    ids = {one["id"]: one["type"] for one in objects}
    assert len(ids) == len(objects)
    assert all(name.endswith(f"-{VERSION}") for name in ids)
    for one in objects:
        for reference in one["references"]:
            assert ids[reference["id"]] == reference["type"], one["id"]
    (dashboard,) = [one for one in objects if one["type"] == "dashboard"]
    cells = json.loads(dashboard["attributes"]["panelsJSON"])
    named = {reference["name"] for reference in dashboard["references"]}
    assert {f"{cell['panelIndex']}:{cell['panelRefName']}" for cell in cells} == named
    assert {one["id"] for one in objects if one["type"] in ("lens", "map")} == {
        reference["id"] for reference in dashboard["references"]
    }
    places = [(cell["gridData"]["x"], cell["gridData"]["y"]) for cell in cells]
    assert len(set(places)) == len(places)
    assert all(cell["gridData"]["x"] + cell["gridData"]["w"] <= 48 for cell in cells)
    assert not [part for part in compose["services"]["kibana-objects"]["command"] if "overwrite" in part]


def test_kafka_is_the_version_that_the_other_tests_run_on(compose: dict[str, Any]) -> None:
    """Compose runs the same Kafka as `dragoman up`."""
    lines = (ROOT / "services/embedded/artifacts.lock").read_text(encoding="utf8").splitlines()
    (embedded,) = [line.split("\t")[2] for line in lines if line.split("\t")[1] == "kafka-clients"]
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{embedded}"
