"""The peer of the indexer: a Quix Streams sink to Elasticsearch. It runs in an environment of its own.

    python quix_sink.py CLIENT_FILE TOPIC COUNT INDEX

CLIENT_FILE is the `client.json` of a stack. Reads COUNT ready documents from the beginning of TOPIC and writes them to
INDEX, as the guide of Quix Streams shows. It prints documents a second and CPU-ms a document, from the first document
that it takes to the end of its last bulk request.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch
from quixstreams import Application
from quixstreams.kafka import ConnectionConfig
from quixstreams.sinks.community.elasticsearch import ElasticsearchSink

BULK = 500
"""Documents in a bulk request, as in the indexer. A checkpoint comes as often."""


class TimedSink(ElasticsearchSink):  # type: ignore[misc]  # the package is not in the environment of the checks
    """The sink, with the times of its first document and of its last request."""

    began: tuple[float, float] | None = None
    ended = (0.0, 0.0)
    headers: dict[str, str]

    def setup(self) -> None:
        """Make the client. The embedded Elasticsearch has no root page, which the sink would ask for."""
        self._client = Elasticsearch(self._url, headers=self.headers)

    def add(self, *arguments: Any, **named: Any) -> None:
        """Take one document."""
        self.began = self.began or (time.perf_counter(), time.process_time())
        super().add(*arguments, **named)

    def write(self, batch: Any) -> None:
        """Write a batch."""
        super().write(batch)
        self.ended = (time.perf_counter(), time.process_time())


def main(client_file: str, topic: str, count: str, index: str) -> None:
    """Run until so many documents are written."""
    known = json.loads(Path(client_file).read_text(encoding="utf8"))
    kafka, elasticsearch = known["kafka"], known["elasticsearch"]
    app = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=kafka["bootstrap_servers"],
            security_protocol=kafka["security_protocol"],
            sasl_mechanism=kafka["sasl_mechanism"],
            sasl_username=kafka["sasl_plain_username"],
            sasl_password=kafka["sasl_plain_password"],
        ),
        consumer_group=f"quix-{uuid.uuid4()}",
        auto_offset_reset="earliest",
        commit_every=BULK,
        loglevel="WARNING",
    )
    sink = TimedSink(elasticsearch["url"], index, batch_size=BULK)
    sink.headers = elasticsearch["headers"]
    app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="bytes")).sink(sink)
    app.run(count=int(count))
    began = sink.began or (0.0, 0.0)
    wall, cpu = sink.ended[0] - began[0], sink.ended[1] - began[1]
    print(json.dumps({"documents_per_second": int(count) / wall, "cpu_ms": cpu / int(count) * 1000}))


if __name__ == "__main__":
    main(*sys.argv[1:])
