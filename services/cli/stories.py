"""`dragoman stories`: shows and corrects stories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, out, print_json
from services.cli.story_edits import make_edit, read_edits, report, send, wait_for

if TYPE_CHECKING:
    from services.search.stories import Library

app = typer.Typer(help="Show and correct stories.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Reason = Annotated[str | None, typer.Option(help="The reason, for later readers.")]
By = Annotated[str | None, typer.Option(help="Who decides (default: your login name).")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the index shows the edit (at most one minute).")]
Articles = Annotated[list[str], typer.Argument(help="Article ids (or their beginnings), guids or URLs.")]


@contextmanager
def library() -> Iterator[Library]:
    """Access to the indices. A search error ends the command with a sentence and exit code 2."""
    from services.common.elastic import EVERY_STORY, make_client
    from services.common.settings import ElasticsearchSettings
    from services.search.search import SearchError
    from services.search.stories import Library

    settings = ElasticsearchSettings()
    client = make_client(settings)
    try:
        yield Library(client, settings.name("articles"), settings.name("stories"), settings.name(EVERY_STORY))
    except SearchError as error:
        fail(str(error), code=2)
    finally:
        client.close()


@app.command("list")
def list_stories(
    language: Annotated[
        str | None, typer.Option(help="Only stories with an article in this language (BCP 47).")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only stories with news on or after this day.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of stories.")] = 20,
    as_json: Json = False,
) -> None:
    """List stories, latest news first.

    Example: `dragoman stories list --language nl --since 2026-01-01`.
    """
    from services.search.stories import headline_in

    with library() as found:
        stories = found.latest(language, since, limit)
    if as_json:
        print_json(stories)
        return
    if not stories:
        out.print("No stories.")
    for story in stories:
        languages, outlets = ", ".join(story["languages"]), len(story["sources"])
        out.print(headline_in(story), style="bold", soft_wrap=True)
        counts = f"{story['articles']} articles ({story['duplicates']} copies)  {outlets} outlets  {languages}"
        out.print(f"  {story['story_id'][:8]}  {story['last_seen_at'][:16]}  {counts}", style="dim")


@app.command()
def show(
    story_id: Annotated[str, typer.Argument(help="The id, or the beginning of the id.")], as_json: Json = False
) -> None:
    """Show a story: titles by language, outlets, entities, hours, articles, and related stories with the same actors.

    Example: `dragoman stories show 1f0c9a52`.
    """
    from rich.text import Text

    from services.search.stories import headline_in

    with library() as found:
        asked = found.story(story_id)
        story = found.follow(asked)
        members = found.members(story["story_id"])
    if as_json:
        print_json({**story, "members": [_short(member) for member in members]})
        return
    if story is not asked:
        err.print(f"{asked['story_id'][:8]} was merged into this one.", style="yellow")
    out.print(Text.assemble((headline_in(story), "bold"), f"  {story['story_id']}"), soft_wrap=True)
    counts = f"{story['articles']} articles, {story['duplicates']} of them copies, {len(story['sources'])} outlets"
    out.print(f"  {counts}: {', '.join(story['sources'][:12])}", soft_wrap=True)
    out.print(f"  {story['first_seen_at'][:16]} to {story['last_seen_at'][:16]}  {hours_line(story['timeline'])}")
    for edition in story["editions"]:
        out.print(f"  {edition['language']}: {edition['title'] or '-'}", soft_wrap=True)
        out.print(f"      {edition['sentence'] or ''}", style="dim", soft_wrap=True)
    names = ", ".join(f"{entity['name'] or entity['id']} ({entity['articles']})" for entity in story["entities"][:12])
    out.print(f"  entities: {names}", soft_wrap=True)
    for other in story["related"]:
        out.print(f"  related: {other['story_id'][:8]} {other['title'] or '-'}", soft_wrap=True)
    for member in members:
        copy = f"  copy of {member['duplicate_of'][:8]}" if member.get("duplicate_of") else ""
        title = member["title"] or member["text"][:80]
        out.print(f"    {member['article_id'][:8]} {member['language']['code']} {title}{copy}", soft_wrap=True)


def hours_line(timeline: list[dict[str, Any]]) -> str:
    """Articles per hour as small bars. Hours without articles are left out."""
    most = max((bucket["articles"] for bucket in timeline), default=1)
    return "".join("▁▂▃▄▅▆▇█"[min(7, bucket["articles"] * 8 // (most + 1))] for bucket in timeline)


@app.command()
def merge(
    articles: Annotated[list[str], typer.Argument(help="Two or more articles or stories about the same event.")],
    reason: Reason = None,
    by: By = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Merge stories: the articles report one event. Their stories become one and stay one in every replay.

    Example: `dragoman stories merge 1f0c9a52 77b3e0d1 --reason "the same fire"`.
    """
    from schemas.story import EditAction

    with library() as found:
        ids = list(dict.fromkeys(found.member(name)["article_id"] for name in articles))
        if len(ids) < 2:
            fail("Name at least two different articles.", code=2)
        edit = make_edit(EditAction.MERGE, ids, None, reason, by)
        send(edit)
        done = not wait or wait_for(
            found, lambda now: len({now[article_id]["story_id"] for article_id in ids}) == 1, ids
        )
    report(edit, done=done, as_json=as_json)


@app.command()
def split(
    articles: Articles,
    other: Annotated[
        str | None, typer.Option("--from", help="An article that stays in the story (default: a central one).")
    ] = None,
    reason: Reason = None,
    by: By = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Split articles from their story. Together with their copies, they become a new story.

    Example: `dragoman stories split 77b3e0d1 --reason "another fire, a year before"`.
    """
    from schemas.story import EditAction

    with library() as found:
        chosen = [found.article(name) for name in articles]
        ids = [article["article_id"] for article in chosen]
        stays = found.article(other)["article_id"] if other else _that_stays(found, chosen[0], set(ids))
        edit = make_edit(EditAction.SPLIT, ids, stays, reason, by)
        send(edit)
        apart = lambda now: now[stays]["story_id"] not in {now[article_id]["story_id"] for article_id in ids}  # noqa: E731
        done = not wait or wait_for(found, apart, [*ids, stays])
    report(edit, done=done, as_json=as_json)


@app.command()
def pin(
    articles: Articles,
    to: Annotated[str, typer.Option("--to", help="The story to move them to, or an article of it.")],
    reason: Reason = None,
    by: By = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Move articles to the story of another article. The rest of their old story stays as it is.

    Example: `dragoman stories pin 77b3e0d1 --to 1f0c9a52`.
    """
    from schemas.story import EditAction

    with library() as found:
        ids = [found.article(name)["article_id"] for name in articles]
        goal = found.member(to)["article_id"]
        edit = make_edit(EditAction.PIN, ids, goal, reason, by)
        send(edit)
        there = lambda now: {now[article_id]["story_id"] for article_id in ids} == {now[goal]["story_id"]}  # noqa: E731
        done = not wait or wait_for(found, there, [*ids, goal])
    report(edit, done=done, as_json=as_json)


@app.command()
def edits(as_json: Json = False) -> None:
    """List all edits that people made to stories, oldest first."""
    made = read_edits()
    if as_json:
        print_json([edit.model_dump(mode="json") for edit in made])
        return
    for edit in made:
        ids = " ".join(article_id[:8] for article_id in edit.articles)
        other = f" against {edit.other[:8]}" if edit.other else ""
        out.print(f"{edit.made_at:%Y-%m-%d %H:%M}  {edit.edit_id}  {edit.made_by}: {edit.action.value} {ids}{other}")
        if edit.reason:
            out.print(f"    {edit.reason}", style="dim")


@app.command()
def export(file: Annotated[Path, typer.Argument(help="JSON lines, for `make train-stories EDITS=…`.")]) -> None:
    """Export the edits of people as training pairs.

    Example: `dragoman stories export edits.jsonl && make train-stories EDITS=edits.jsonl`.
    """
    import orjson

    from services.dedup.edit_pairs import pairs_of, to_raw

    written = left_out = 0
    with library() as found, file.open("wb") as lines:
        for one, other, same in pairs_of(read_edits()):
            try:
                raws = [to_raw(found.whole_article(article_id)) for article_id in (one, other)]
            except Exception as error:  # noqa: BLE001 - an error in one pair must not stop the others
                err.print(f"left out {one[:8]} and {other[:8]}: {error}", style="yellow")
                left_out += 1
                continue
            lines.write(orjson.dumps({"same": same, "one": raws[0], "other": raws[1]}) + b"\n")
            written += 1
    out.print(f"{written:,} pairs in {file}, {left_out:,} left out.")


def _that_stays(found: Library, article: dict[str, Any], leaving: set[str]) -> str:
    """An article of the same story that stays in it. The most central one, if it stays."""
    from services.search.search import SearchError

    editions = [edition["article_id"] for edition in found.story(article["story_id"])["editions"]]
    members = {member["article_id"]: member.get("duplicate_of") for member in found.members(article["story_id"])}
    for candidate in (*editions, *members):
        if candidate not in leaving and members.get(candidate) not in leaving:  # copies leave with their originals
            return str(candidate)
    raise SearchError(f"Story {article['story_id'][:8]} has no other article, so there is nothing to split it from.")


def _short(member: dict[str, Any]) -> dict[str, Any]:
    names = ("article_id", "title", "source_id", "published_at", "fetched_at", "duplicate_of", "supersedes")
    return {name: member.get(name) for name in names} | {"language": member["language"]["code"]}
