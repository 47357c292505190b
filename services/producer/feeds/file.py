"""Reads the feeds file with errors that name line and field, and edits it without losing comments."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

import seeds
from schemas.feed import ENVIRONMENT, Columns, Feed, FeedsFile
from services.producer.settings import FEEDS_FILE, ProducerSettings

MAX_BYTES = 20 * 1024 * 1024
SCHEMA = Path("schemas/json/FeedsFile.json")
"""Place of the JSON Schema in a checkout. Editors use it to complete the feeds file."""
SCHEMA_LINE = re.compile(r"\A# yaml-language-server:.*\n(#\n)?")
EXAMPLE = Path(seeds.__file__).with_name("feeds.yaml")
FORMER_FILE = Path("seeds/feeds.yaml")
"""Relative to the working folder: where the feeds file was until 0.1.0."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One error in the file: its line, its field and a message."""

    path: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """The format of compiler messages, so that editors can jump to the line."""
        where = f"{self.path}:{self.line}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class FeedsFileError(Exception):
    """The file cannot be used. The exception lists every error."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def make_first_file(settings: ProducerSettings) -> Path | None:
    """Make the feeds file of a home that has none yet. Returns the file that it was copied from.

    Before 0.1.0 the feeds file was `seeds/feeds.yaml` in the working folder. If that file exists, it is copied, so that
    no feed of the user is forgotten, and its relative paths become absolute. Otherwise the example is copied. Returns
    None if nothing was made, because the file exists or because the user has named another one.
    """
    target = settings.feeds
    if target != settings.home / FEEDS_FILE or target.exists():
        return None
    source = FORMER_FILE.absolute() if FORMER_FILE.is_file() else EXAMPLE
    try:
        read = read_yaml(source)
    except FeedsFileError:  # commands report the mistakes; the text is kept as it is
        text = source.read_text(encoding="utf8", errors="surrogateescape")
    else:
        text = _with_absolute_paths(read, source.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    # the first line of the example names its schema relative to the checkout
    part.write_text(SCHEMA_LINE.sub("", text), encoding="utf8", errors="surrogateescape")
    part.replace(target)
    return source


def _with_absolute_paths(read: CommentedMap, folder: Path) -> str:
    """The file as YAML, with the paths of its feeds no longer relative to its folder."""
    for item in read.get("feeds") or ():
        if isinstance(item, CommentedMap) and isinstance(item.get("path"), str):
            item["path"] = str(folder / item["path"])
    text = StringIO()
    _yaml().dump(read, text)
    return text.getvalue()


class UnknownFeedError(Exception):
    """There is no feed with this id."""


def load_feeds(path: Path) -> FeedsFile:
    """Read and check the file. FeedsFileError lists its errors."""
    return validate(path, read_yaml(path))


def read_yaml(path: Path) -> CommentedMap:
    """The file as YAML, with its line numbers and comments."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FeedsFileError([FileProblem(path, 1, "", f"is larger than {MAX_BYTES:,} bytes")])
        text = path.read_text(encoding="utf8")
    except OSError as error:
        raise FeedsFileError([FileProblem(path, 1, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise FeedsFileError([FileProblem(path, 1, "", "is not UTF-8")]) from error
    try:
        read = _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise FeedsFileError(
            [FileProblem(path, line, "", f"is not valid YAML here: {error.problem or error}")]
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise FeedsFileError([FileProblem(path, 1, "", f"is not valid YAML: {error}")]) from error
    if read is None:
        return CommentedMap(feeds=CommentedSeq())
    if not isinstance(read, CommentedMap):
        raise FeedsFileError([FileProblem(path, 1, "", "must contain `feeds:` and a list of feeds below it")])
    return read


def validate(path: Path, read: CommentedMap) -> FeedsFile:
    """The checked content of the file. FeedsFileError names the line of each error."""
    values = _plain(read)
    if values.get("feeds", ()) is None:
        values["feeds"] = []
    try:
        return FeedsFile.model_validate(values)
    except ValidationError as error:
        problems = [
            FileProblem(path, line_of(read, item["loc"]), _field(read, item["loc"]), _message(item))
            for item in error.errors(include_url=False)
        ]
        raise FeedsFileError(sorted(set(problems), key=lambda problem: problem.line)) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _message(item: Mapping[str, Any]) -> str:
    """Pydantic's message, or a simpler one for common errors."""
    location = [part for part in item["loc"] if isinstance(part, str)]
    match item["type"]:
        case "extra_forbidden":
            model = Columns if "columns" in location[:-1] else Feed if len(item["loc"]) > 1 else FeedsFile
            near = get_close_matches(location[-1], model.model_fields, 1)
            return "is unknown" + (
                f"; did you mean {near[0]}?" if near else f"; known fields are {', '.join(model.model_fields)}"
            )
        case "missing":
            return "is missing"
        case "string_pattern_mismatch" if location[-1:] == ["id"]:
            return "may contain only small letters, digits and . _ - /, and must begin with a letter or a digit"
        case "enum":
            return f"must be {item['ctx']['expected']}"
        case _:
            return re.sub(r"^Value error, ", "", str(item["msg"]))


def line_of(read: Any, location: Iterable[str | int]) -> int:
    """The line of the deepest part of a location that is in the file. Lines count from 1."""
    line, node = 1, read
    for part in location:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            node = node[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def _field(read: Any, location: tuple[str | int, ...]) -> str:
    """The name of a field, such as `feeds.bbc.interval`.

    A feed is named by its id if it has one. Parts that only pydantic knows are left out.
    """
    names: list[str] = []
    node = read
    for part in location:
        try:
            inside = node[part]
        except (KeyError, IndexError, TypeError):
            if len(names) < len(location) and isinstance(node, Mapping) and not isinstance(part, int):
                names.append(str(part))
            break
        known_id = inside.get("id") if isinstance(part, int) and isinstance(inside, Mapping) else None
        names.append(str(known_id or (part + 1 if isinstance(part, int) else part)))
        node = inside
    return ".".join(names)


def expand(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Replace each `${NAME}` by the value of the environment variable. KeyError names a variable that is not set."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not environment.get(name):
            raise KeyError(name)
        return environment[name]

    return ENVIRONMENT.sub(value, text)


def missing_variables(feed: Feed, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that the feed uses but the environment does not set."""
    texts = [feed.url or "", *feed.headers.values()]
    names = [name for text in texts for name in ENVIRONMENT.findall(text)]
    return [name for name in dict.fromkeys(names) if not environment.get(name)]


def edit_feeds(path: Path, change: Callable[[CommentedSeq], None]) -> FeedsFile:
    """Change the list of feeds in the file. Comments, order and quotes stay.

    The file is only written if the result is valid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=30):
        if not path.exists():
            has_schema = (path.absolute().parent.parent / SCHEMA).exists()
            head = f"# yaml-language-server: $schema=../{SCHEMA}\n" if has_schema else ""
            path.write_text(f"{head}feeds:\n", encoding="utf8")
        read = read_yaml(path)
        if not isinstance(read.get("feeds"), CommentedSeq):
            read["feeds"] = CommentedSeq()
        if not read["feeds"]:
            # An empty list is written `[]`. Block style puts each added feed on its own lines.
            read["feeds"].fa.set_block_style()
        change(read["feeds"])
        checked = validate(path, read)
        text = StringIO()
        _yaml().dump(read, text)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text.getvalue(), encoding="utf8")
        part.replace(path)
    path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
    return checked


def add_feed(feeds: CommentedSeq, feed: Feed) -> None:
    """Append a feed. Only values that differ from the defaults are written."""
    values = feed.model_dump(mode="json", exclude_defaults=True)
    item = CommentedMap()
    for name in ("id", "url", "path", *values):
        if name in values:
            item[name] = values[name]
    if isinstance(item.get("interval"), int):
        item["interval"] = f"{item['interval']}s"
    feeds.append(item)


def set_paused(feeds: CommentedSeq, feed_id: str, *, paused: bool) -> bool:
    """Pause or resume a feed. Returns whether that changed the file. UnknownFeedError when there is no such feed."""
    item = next((entry for entry in feeds if isinstance(entry, CommentedMap) and entry.get("id") == feed_id), None)
    if item is None:
        known = ", ".join(str(entry.get("id")) for entry in feeds if isinstance(entry, CommentedMap))
        raise UnknownFeedError(f"There is no feed {feed_id!r}. There are: {known or 'none'}.")
    changed = bool(item.get("paused", False)) is not paused
    if paused:
        item["paused"] = True
    else:
        item.pop("paused", None)
    return changed


def free_id(wanted: str, taken: Iterable[str]) -> str:
    """Make an id from a name that is not taken yet: `bbc-co-uk`, `bbc-co-uk-2`."""
    base = re.sub(r"[^a-z0-9]+", "-", wanted.lower().removeprefix("www.")).strip("-")[:80] or "feed"
    used, number = set(taken), 2
    name = base
    while name in used:
        name = f"{base}-{number}"
        number += 1
    return name


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
