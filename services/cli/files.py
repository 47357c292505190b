"""`dragoman enrich` and `dragoman group`: run the same stages on files, without Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from services.cli.output import err, fail, progress

Input = Annotated[Path, typer.Option("--input", "-i", help="JSONL file. - is standard input.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="JSONL file. - is standard output.")]


def enrich(
    input_file: Input,
    output_file: Output,
    vectors: Annotated[bool, typer.Option(help="Compute the embedding.")] = True,
) -> None:
    """Enrich articles in a file: clean text, date, language, entities, fingerprint.

    Each line needs `guid` and `content`, and may have source_id, url, content_type, title, published_at,
    declared_language. Bad lines are reported on standard error, and the exit code is then 1.

    Example: `dragoman enrich --input raw.jsonl --output enriched.jsonl`.
    """
    from services.common.extras import install_hint
    from services.fingerprint import is_encoder_installed
    from services.worker.files import make_enricher

    default_source = input_file.stem if str(input_file) != "-" else "stdin"
    has_encoder = is_encoder_installed()
    if vectors and not has_encoder:
        sentence = f"Enriching without vectors: the encoder is not installed. {install_hint('vectors')}"
        err.print(sentence, style="yellow", soft_wrap=True)
    enrich_line = make_enricher(default_source, vectors=vectors and has_encoder)
    _convert(input_file, output_file, lambda line, number: (enrich_line(line, number),), "enriching")


def group(input_file: Input, output_file: Output) -> None:
    """Find duplicates and stories among enriched articles, in the order of the file.

    Each article is written with its final decision, because a later article may show that two stories are one.

    Example: `dragoman group --input enriched.jsonl --output grouped.jsonl`.
    """
    from services.dedup.files import FileGrouper

    with FileGrouper() as grouper:

        def take(line: bytes, _number: int) -> Iterator[bytes]:
            grouper.take(line)
            return iter(())

        _convert(input_file, output_file, take, "grouping", grouper.results)


def _convert(
    source: Path,
    target: Path,
    convert: Callable[[bytes, int], Iterable[bytes]],
    what: str,
    rest: Callable[[], Iterable[bytes]] = tuple,
) -> None:
    """Convert every line, then write the lines of `rest`. Bad lines are reported, and the exit code is then 1."""
    from services.common.exits import UnusableProcessError
    from services.common.messages import RejectedMessage

    bad = 0
    with _opened(source, "rb") as lines, _opened(target, "wb") as output, progress() as bar:
        task = bar.add_task(what, total=None)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                output.writelines(made + b"\n" for made in convert(line, number))
            except UnusableProcessError as error:
                fail(f"line {number}: {error}", code=error.exit_code)
            except RejectedMessage as rejected:
                bad += 1
                err.print(f"line {number}: {rejected.reason}", style="red", soft_wrap=True)
            bar.advance(task)
        output.writelines(made + b"\n" for made in rest())
    if bad:
        raise typer.Exit(1)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[IO[bytes]]:
    import sys

    if str(path) == "-":
        yield sys.stdin.buffer if mode == "rb" else sys.stdout.buffer
        return
    try:
        file = path.open(mode)
    except OSError as error:
        fail(f"{path} cannot be {'read' if mode == 'rb' else 'written'}: {error.strerror}.", code=2)
    with file:
        yield file
