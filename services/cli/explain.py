"""`dragoman explain`: explains why articles are grouped together or not."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, out, print_json
from services.cli.stories import library

if TYPE_CHECKING:
    from services.search.stories import Library

FORBIDDEN = 403
TIMEOUT_SECONDS = 10.0
IDS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
"""Matches the ids of articles and stories."""
WORDS = {
    "bias": "any two articles",
    "keys": "names and entities",
    "numbers": "numbers",
    "words": "words",
    "same_language": "one language",
    "least_coverage": "lede named by the other, the less covered",
    "most_coverage": "lede named by the other, the more covered",
    "rarest_shared": "rarest shared name",
    "rare_shared": "three rarest shared",
    "lede_words": "words of the ledes",
    "number_conflict": "different numbers in the ledes",
    "facts": "share of facts",
    "gap": "days between",
    "one_undated": "only one article states a date",
    "actor_share": "shared only by who is always in the news",
    "vector": "vectors",
}


def explain(
    article: Annotated[str, typer.Argument(help="Id (or its beginning), guid or URL of an article.")],
    other: Annotated[str | None, typer.Argument(help="A second article to compare with the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain why an article is in its story and which article it copies. With two articles, compare them.

    Examples: `dragoman explain 1f0c9a52`; `dragoman explain 1f0c9a52 77b3e0d1 --json`.
    """
    with library() as found:
        first = found.article(article)
        report = explain_one(found, first) if other is None else explain_two(first, found.article(other))
    if as_json:
        print_json(report)
    elif other is None:
        show_one(report)
    else:
        show_two(report)


def explain_one(found: Library, article: dict[str, Any]) -> dict[str, Any]:
    """The stored decision, with the titles of the articles that it names."""
    from services.search.stories import title_of

    reason = article["story_reason"]
    named = [reason.get("nearest"), reason.get("runner_up"), article.get("duplicate_of"), article.get("supersedes")]
    named += [link["article_id"] for link in article.get("duplicate_links") or ()]
    named += IDS.findall(" ".join([reason.get("moved_by") or "", *(reason.get("vetoes") or ())]))
    decision = ("duplicate_of", "duplicate_score", "duplicate_reason", "duplicate_links", "supersedes", "story_id")
    return {
        "article_id": article["article_id"],
        "title": title_of(article),
        **{name: article.get(name) for name in (*decision, "story_score", "story_reason", "grouping_version")},
        "titles": found.titles([name for name in named if name]),
    }


def explain_two(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Compare both articles with dedup as it is now. If dedup does not answer, give the stored reasons of both."""
    from services.search.stories import title_of

    ids = (one["article_id"], other["article_id"])
    compared, problem = ask_dedup(*ids)
    return {
        "articles": list(ids),
        "titles": [title_of(article) for article in (one, other)],
        "same_story": one["story_id"] == other["story_id"],
        "same_group": one["duplicate_group"] == other["duplicate_group"],
        "compared": compared,
        "problem": problem,
        "stored": [{"article_id": article["article_id"], **article["story_reason"]} for article in (one, other)],
    }


def ask_dedup(one: str, other: str) -> tuple[dict[str, Any] | None, str | None]:
    """The comparison that dedup makes, or the reason why it made none."""
    address = dedup_address()
    if address is None:
        return None, "The address of dedup is not known: set DRAGOMAN_DEDUP_URL. The stored reasons:"
    url = f"{address}/explain?{urllib.parse.urlencode({'one': one, 'other': other})}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return json.loads(answer.read()), None
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return (
                None,
                "One of the articles has left the window of dedup, so they cannot be compared. The stored reasons:",
            )
        said = error.read(500).decode("utf8", "replace").strip() if error.code == FORBIDDEN else ""
        return None, f"Dedup at {address} answers {error.code}{said and ': '}{said}. The stored reasons:"
    except OSError:
        return None, f"Dedup at {address} does not answer. The stored reasons:"


def dedup_address() -> str | None:
    """The metrics address of dedup, from the settings or from the stack that `up` started in this home."""
    from services.cli.status import metrics_urls
    from services.common.settings import Settings

    settings = Settings()
    if settings.dedup_url:
        return settings.dedup_url.rstrip("/")
    url = metrics_urls(settings.home).get("dedup")
    return url.removesuffix("/metrics") if url else None


def show_one(report: dict[str, Any]) -> None:
    """Print a decision for a person."""
    reason, titles = report["story_reason"], report["titles"]
    out.print(report["title"], style="bold", soft_wrap=True)
    if report["duplicate_of"]:
        _show_duplicate(report["duplicate_reason"], titles.get(report["duplicate_of"], report["duplicate_of"]))
    if report["supersedes"]:
        _line(f"A later version of the agency's own text: {titles.get(report['supersedes'], report['supersedes'])}")
    for link in report["duplicate_links"] or ():
        title = titles.get(link["article_id"], link["article_id"])
        _line(f"Shares {link['shingle_containment']:.0%} of the shorter text with: {title}")
    if reason.get("moved_by"):
        _line(f"Is in story {report['story_id'][:8]} by a {name_ids(reason['moved_by'], titles)}")
    _line(verdict(report))
    if reason.get("nearest"):
        _line(f"  {titles.get(reason['nearest'], reason['nearest'])}")
        _show_features(reason)
    if reason.get("runner_up") and not reason["opened"]:
        lost = f" It lost by {reason['margin']:.2f}." if reason.get("margin") is not None else ""
        _line(f"Next story: {titles.get(reason['runner_up'], reason['runner_up'])}.{lost}")
    for veto in reason.get("vetoes") or ():
        _line(f"Not taken: story {name_ids(veto, titles)}")


def verdict(report: dict[str, Any]) -> str:
    """One sentence that says how an article came into its story."""
    reason = report["story_reason"]
    if not reason["opened"]:
        return f"Joined story {report['story_id'][:8]} with a score of {report['story_score']:.2f}. Nearest article:"
    if not reason.get("nearest"):
        return "Opened its story: no article in the window shares a rare name, number or word with it."
    threshold = f"the threshold of {reason['threshold']:g}"
    if reason["margin"] < 0:
        return f"Opened its story: the nearest one reached {threshold} but was not taken. Nearest:"
    return f"Opened its story: the nearest one missed {threshold} by {reason['margin']:.2f}. Nearest:"


def show_two(report: dict[str, Any]) -> None:
    """Print a comparison for a person."""
    for title in report["titles"]:
        out.print(title, style="bold", soft_wrap=True)
    group = " and in the same group of copies" if report["same_group"] else ""
    _line(f"They are in the same story{group}." if report["same_story"] else "They are in two different stories.")
    if report["problem"]:
        err.print(report["problem"], style="yellow", soft_wrap=True)
        for stored in report["stored"]:
            _line(f"{stored['article_id'][:8]}:")
            _show_features(stored)
        return
    compared = report["compared"]
    if compared["duplicate"]:
        _show_duplicate(compared["duplicate"], "each other")
    else:
        veto = f", but {compared['duplicate_veto']}" if compared.get("duplicate_veto") else ""
        _line(f"Not copies: both have {compared['shingle_containment']:.0%} of the shorter text's word pairs{veto}.")
    verdict = "enough" if compared["score"] >= compared["threshold"] else "not enough"
    _line(f"As a pair they score {compared['score']:.2f}, {verdict} by themselves ({compared['threshold']:g}).")
    _show_features(compared)
    for note in compared["notes"]:
        _line(f"Note: {note}")


def name_ids(text: str, titles: dict[str, str]) -> str:
    """The text with shortened ids, each followed by its title."""
    return IDS.sub(lambda found: f"{found[0][:8]}{f' “{titles[found[0]]}”' if found[0] in titles else ''}", text)


def _show_duplicate(reason: dict[str, Any], of: str) -> None:
    shares = f"{reason['shingle_containment']:.0%} of the word pairs, {reason['word_containment']:.0%} of the words"
    _line(f"A {reason['level']} of: {of}")
    _line(f"  {shares}, {reason['shared_facts']} shared facts, {reason['missing_facts']} missing facts")
    for name in ("shared", "missing"):
        if reason.get(name):
            _line(f"  {name} facts: {', '.join(reason[name])}")


def _show_features(reason: dict[str, Any]) -> None:
    from rich.table import Table

    for name, label in (("shared", "shared names"), ("numbers", "shared numbers")):
        if reason.get(name):
            _line(f"  {label}: {', '.join(reason[name])}")
    gap = reason.get("gap_days")
    _line(f"  {'no dates to compare' if gap is None else f'{gap:.1f} days between the stated dates'}")
    table = Table(box=None, padding=(0, 2), show_header=True)
    table.add_column("  evidence")
    table.add_column("value", justify="right")
    table.add_column("adds", justify="right")
    for part in reason.get("parts") or ():
        table.add_row(
            f"  {WORDS.get(part['feature'], part['feature'])}", f"{part['value']:.2f}", f"{part['score']:+.2f}"
        )
    out.print(table)


def _line(text: str) -> None:
    out.print(text, soft_wrap=True)
