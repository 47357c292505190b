"""`dragoman es`: asks Elasticsearch with the user and the password of this stack."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from services.cli.output import fail, out, print_json
from services.cli.servers import answering

LINES: Final = ("_bulk", "_msearch")
"""Requests whose body is one JSON object a line."""


def es(
    path: Annotated[str, typer.Argument(help="Path and parameters, like articles/_search?size=3.")],
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="File with the JSON of the request. - is the standard input.")
    ] = None,
    method: Annotated[
        Literal["GET", "POST", "PUT", "DELETE", "HEAD"] | None,
        typer.Option("--method", "-X", help="Default: GET, or POST with data."),
    ] = None,
) -> None:
    """Ask Elasticsearch, and print its answer.

    Examples: `dragoman es articles/_count`; `dragoman es articles/_search --data query.json`;
    `echo '{"query": {"match_all": {}}}' | dragoman es stories/_search --data -`.
    """
    from elasticsearch import ApiError

    from services.common.elastic import make_client
    from services.common.settings import ElasticsearchSettings

    settings = ElasticsearchSettings()
    body = None if data is None else read_body(data)
    is_lines = path.partition("?")[0].rstrip("/").endswith(LINES)
    headers = {"accept": "application/json"}
    if body is not None:
        headers["content-type"] = "application/x-ndjson" if is_lines else "application/json"
        if is_lines:
            body = body.rstrip("\n") + "\n"
    with answering(settings):
        client = make_client(settings)
        try:
            how = method or ("GET" if body is None else "POST")
            answer = client.perform_request(how, "/" + path.lstrip("/"), headers=headers, body=body)
        except ApiError as error:
            print_answer(error.body)
            raise typer.Exit(1) from error
        finally:
            client.close()
    print_answer(answer.body)


def read_body(path: Path) -> str:
    """The text of a file or of the standard input. A file that cannot be read ends the command with a sentence."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", code=2)


def print_answer(body: Any) -> None:
    """Print an answer: JSON or text."""
    if isinstance(body, str):
        out.print(body)
    else:
        print_json(body)
