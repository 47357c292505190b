"""`dragoman feeds test|add`: the commands that use the network."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.feeds_file import EXIT_UNUSABLE, File, Json, append, load, settings_of
from services.cli.output import err, fail, out, print_json

if TYPE_CHECKING:
    from services.producer.feeds.discovery import FoundFeed
    from services.producer.settings import ProducerSettings
    from services.producer.sources.base import Entry, Problem
    from services.producer.sources.documents import Parsed


def _online(settings: ProducerSettings, work: Any) -> Any:
    """Run a coroutine with an HTTP client that has the same limits as the collector."""
    from services.producer.fetch.client import Client
    from services.producer.fetch.robots import Robots

    async def run() -> Any:
        async with Client(settings) as client:
            coroutine: Coroutine[Any, Any, Any] = work(client, Robots(client, settings.user_agent))
            return await coroutine

    return asyncio.run(run())


def _to_url(text: str) -> str:
    """A full URL from what people type. Without a scheme, it is https."""
    return text if "://" in text else f"https://{text}"


def try_feed(
    url: Annotated[str, typer.Argument(help="A URL, or the id of a feed in the file.", show_default=False)],
    file: File = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of entries to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Fetch a feed once. Show the articles that it would produce, and what is wrong. Nothing is sent or stored.

    The exit code is 1 if nothing can be read.

    Examples: `dragoman feeds test https://example.org/rss.xml`; `dragoman feeds test bbc-world --json`.
    """
    from schemas.feed import Feed
    from services.producer.feeds.admin import as_collected, read_states
    from services.producer.feeds.discovery import fetch_once
    from services.producer.feeds.lists import with_children
    from services.producer.fetch.client import FetchError
    from services.producer.sources.documents import NotThisFormatError

    settings = settings_of(file)
    known = with_children(load(settings), read_states(settings)) if settings.feeds.exists() else []
    named = [feed for feed in known if feed.id == url]
    if named and named[0].url is None:
        fail(f"{url} is a path. `dragoman replay {named[0].path}` reads it.", code=EXIT_UNUSABLE)
    try:
        feed = named[0] if named else Feed(id="test", url=_to_url(url))
        document, parsed = _online(settings, lambda client, robots: fetch_once(client, robots, feed, datetime.now(UTC)))
    except FetchError as error:
        fail(f"{url}: {error.reason}.")
    except NotThisFormatError as error:
        fail(f"{url} was fetched, but {error}.")
    except ValueError as error:
        fail(f"{url} is neither a URL nor a feed of {settings.feeds}: {_first_reason(error)}", code=EXIT_UNUSABLE)
    items = [as_collected(feed, item) for item in parsed.items]
    if as_json:
        print_json(_as_dict(document.url, parsed, items))
        return
    _show(document.url, parsed, items, limit)


def _first_reason(error: ValueError) -> str:
    from pydantic import ValidationError

    text = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    return text.removeprefix("Value error, ")


def _as_dict(url: str, parsed: Parsed, items: list[Entry | Problem]) -> dict[str, Any]:
    from services.producer.sources.base import Entry

    entries = [item for item in items if isinstance(item, Entry)]
    return {
        "url": url,
        "format": parsed.format,
        "title": parsed.title,
        "language": parsed.language,
        "ttl_seconds": parsed.ttl_seconds,
        "notes": parsed.notes,
        "entries": [
            {
                "guid": entry.guid,
                "url": entry.url,
                "title": entry.title,
                "published_at": entry.published_at,
                "declared_language": entry.declared_language,
                "declared": entry.declared.model_dump(mode="json"),
                "content_type": entry.content_type,
                "content": entry.content,
            }
            for entry in entries
        ],
        "problems": [
            {"guid": item.guid, "kind": item.kind, "reason": item.reason}
            for item in items
            if not isinstance(item, Entry)
        ],
        "children": [child.url for child in parsed.children],
    }


def _show(url: str, parsed: Parsed, items: list[Entry | Problem], limit: int) -> None:
    from services.common.html import to_text
    from services.producer.sources.base import Entry

    problems = [item for item in items if not isinstance(item, Entry)]
    about = [parsed.format, parsed.title, parsed.language]
    about.append(f"fresh for {parsed.ttl_seconds} s" if parsed.ttl_seconds else None)
    out.print(url, style="bold", soft_wrap=True)
    out.print("  ".join(str(fact) for fact in about if fact), soft_wrap=True)
    for note in parsed.notes:
        err.print(note, style="yellow", soft_wrap=True)
    for child in parsed.children[:limit]:
        out.print(f"  points to {child.url}", soft_wrap=True)
    for item in items[:limit]:
        if not isinstance(item, Entry):
            out.print(f"\n✗ {item.guid}\n  {item.reason}", style="red", soft_wrap=True)
            continue
        out.print(f"\n• {item.title or '(no title)'}", style="bold", soft_wrap=True)
        stated = item.published_at.strftime("%Y-%m-%d %H:%M UTC") if item.published_at else "no date"
        authors = ", ".join(author.value for author in item.declared.authors[:3])
        tags = ", ".join(label.value for label in item.declared.tags[:5])
        facts = (stated, item.declared_language, authors and f"by {authors}", tags and f"tags {tags}")
        out.print(f"  {'  '.join(fact for fact in facts if fact)}", soft_wrap=True)
        if item.url:
            out.print(f"  {item.url}", soft_wrap=True)
        text = " ".join(to_text(item.content).split()) or "its page would be fetched"
        out.print(f"  {text[:200]}{'…' if len(text) > 200 else ''}", style="dim", soft_wrap=True)
    more = f" ({limit} shown)" if len(items) > limit else ""
    counted = f"{len(items) - len(problems):,} entries{more}, {len(problems):,} problems."
    out.print(f"\n{counted}" if not parsed.children else f"\n{len(parsed.children):,} documents to follow, {counted}")


def add(
    url: Annotated[str, typer.Argument(help="A feed's URL, or a site's.", show_default=False)],
    feed_id: Annotated[str | None, typer.Option("--id", help="The feed's id (default: from its host).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Add all feeds that are found, not only the first.")] = False,
    interval: Annotated[str, typer.Option(help="auto, or a time such as 15m.")] = "auto",
    language: Annotated[str | None, typer.Option(help="The language, if the feed states none.")] = None,
    source: Annotated[str | None, typer.Option(help="The publisher's name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Your own label. May be repeated.")] = None,
    full_text: Annotated[
        bool | None, typer.Option("--full-text/--no-full-text", help="Fetch each entry's page.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be added.")] = False,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Find the feeds of a site and add them to the feeds file. Comments in the file stay.

    The search covers the URL itself, the `<link>`s of its page, the sitemaps of its robots.txt, and the usual addresses
    of feeds. A running collector uses the feed immediately. The exit code is 1 if nothing is found.

    Examples: `dragoman feeds add https://example.org`; `dragoman feeds add example.org --all --tag science`.
    """
    from pydantic import ValidationError

    from services.common.messages import describe
    from services.producer.feeds.admin import feeds_to_add
    from services.producer.feeds.discovery import discover
    from services.producer.fetch.client import FetchError

    settings = settings_of(file)
    try:
        found: list[FoundFeed] = _online(settings, lambda client, robots: discover(client, robots, _to_url(url)))
    except FetchError as error:
        fail(f"{url}: {error.reason}.")
    if not found:
        fail(f"No feed was found at {url}: no link to one, no sitemap, and nothing where feeds usually are.")
    known = load(settings).feeds if settings.feeds.exists() else ()
    options = {"interval": interval, "language": language, "source": source, "full_text": full_text, "tags": tag}
    try:
        feeds = feeds_to_add(found if every else found[:1], feed_id, known, options)
    except ValidationError as error:
        fail(f"This cannot be added: {describe(error)}.", code=EXIT_UNUSABLE)
    if feeds and not dry_run:
        append(settings, feeds)
    if as_json:
        print_json(
            {"dry_run": dry_run, "added": [feed.model_dump(mode="json", exclude_defaults=True) for feed in feeds]}
        )
        return
    added = {feed.url for feed in feeds}
    for candidate in found:
        is_added = candidate.url in added
        mark = "+" if is_added else "·"
        out.print(f"{mark} {candidate.url}", style="bold" if is_added else "", soft_wrap=True)
        facts = f"{candidate.parsed.format}, {candidate.entries:,} entries; {candidate.why}"
        out.print(f"    {facts}", style="dim")
    verb = "Would add" if dry_run else "Added"
    names = ", ".join(feed.id for feed in feeds)
    out.print(f"{verb} {names} to {settings.feeds}." if feeds else "The file has it already.", soft_wrap=True)
    if len(found) > 1 and not every:
        err.print("`--all` adds the others too.", style="dim")
