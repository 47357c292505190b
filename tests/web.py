"""A web server on loopback whose feeds change, move, lie, stall, drip, explode, break and come back from the dead."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

ZEROS = 64 * 1024 * 1024
WORDS = ("harbour", "council", "bridge", "museum", "railway", "festival", "forest", "hospital", "library", "market")


@dataclass(frozen=True)
class Story:
    """An entry as it is served now."""

    guid: str
    title: str
    text: str
    link: str | None = None


@dataclass
class Answer:
    """One response. `send` takes over the socket for what is not plain HTTP."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send: Callable[[BaseHTTPRequestHandler], None] | None = None


def story(feed: str, number: int, edition: int = 1) -> Story:
    """The same story for the same numbers, unlike all others."""
    word, other = WORDS[number % 10], WORDS[(number * 7 + len(feed)) % 10]
    text = (
        f"The {word} of {feed.title()}ville number {number * 37 + len(feed)} opens on Monday, the {other} board said. "
        f"Edition {edition} of report {feed}-{number} adds that {number * 101 + 13} people signed the petition."
    )
    return Story(f"{feed}-{number}", f"{word.title()} {number} of {feed}", text)


def rss(stories: list[Story], encoding: str = "utf-8", declared: str | None = None) -> bytes:
    """RSS 2.0 in an encoding, which may be declared wrongly."""
    items = "".join(
        f'<item><guid isPermaLink="false">{one.guid}</guid><title>{escape(one.title)}</title>'
        f"{f'<link>{one.link}</link>' if one.link else ''}"
        f"<description>{escape(one.text)}</description></item>"
        for one in stories
    )
    head = f'<?xml version="1.0" encoding="{declared or encoding}"?>'
    whole = f'{head}<rss version="2.0"><channel><title>Feed</title><language>en</language>{items}</channel></rss>'
    return whole.encode(encoding)


@dataclass
class World:
    """What the server has and has served. `frozen` stops all change, so that what is true can be compared."""

    base: str = ""
    frozen: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    expected: dict[str, Story] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        """What a path answers to its next request."""
        name = path.strip("/").split(".")[0].split("/")[0].replace("-", "_")
        make = getattr(self, f"at_{name}", None)
        with self.lock:
            if not self.frozen or name not in self.requests:
                self.requests[name] += 1
            return make(self.requests[name], headers) if make else Answer(404)

    def serve(self, stories: list[Story]) -> list[Story]:
        """Note what is in an answer that is whole."""
        self.expected |= {one.guid: one for one in stories}
        return stories

    # --- feeds --------------------------------------------------------------------------------------------------------

    def at_changing(self, number: int, _: dict[str, str]) -> Answer:
        """A new entry with each request, and the first one edited with every third."""
        stories = [story("changing", index) for index in range(1, min(number, 15) + 1)]
        return Answer(body=rss(self.serve([story("changing", 0, 1 + number // 3), *stories])))

    def at_rolling(self, number: int, _: dict[str, str]) -> Answer:
        """Entries are there for six requests and then gone."""
        return Answer(body=rss(self.serve([story("rolling", index) for index in range(max(0, number - 6), number)])))

    def at_moved(self, _: int, __: dict[str, str]) -> Answer:
        """Gone elsewhere for good."""
        return Answer(301, headers={"Location": "/target.xml"})

    def at_target(self, _: int, __: dict[str, str]) -> Answer:
        """Where it went."""
        return Answer(body=rss(self.serve([story("moved", index) for index in range(3)])))

    def at_fickle(self, number: int, _: dict[str, str]) -> Answer:
        """Another ETag for the same bytes each time."""
        return Answer(body=rss(self.serve([story("fickle", 1)])), headers={"ETag": f'"{number}"'})

    def at_stubborn(self, number: int, headers: dict[str, str]) -> Answer:
        """The same ETag for ever, and 304 to whoever believes it, though there is something new."""
        if headers.get("If-None-Match"):
            return Answer(304)
        stories = [story("stubborn", index) for index in range(1 if number < 4 else 2)]
        return Answer(body=rss(self.serve(stories)), headers={"ETag": '"same"'})

    def at_stalling(self, number: int, _: dict[str, str]) -> Answer:
        """Says nothing to the first two."""
        if number <= 2:
            return Answer(send=lambda handler: _hold(handler, b"", 30))
        return Answer(body=rss(self.serve([story("stalling", 1)])))

    def at_dripping(self, number: int, _: dict[str, str]) -> Answer:
        """A byte a second to the first two."""
        if number <= 2:
            return Answer(send=lambda handler: _hold(handler, rss([story("dripping", 1)]), 30))
        return Answer(body=rss(self.serve([story("dripping", 1)])))

    def at_bomb(self, _: int, __: dict[str, str]) -> Answer:
        """10 GB of zeros in 10 MB of gzip."""
        return Answer(send=_explode)

    def at_wrong_encoding(self, _: int, __: dict[str, str]) -> Answer:
        """Latin letters in windows-1252 that are called UTF-8."""
        one = story("wrong-encoding", 1)
        cafe = Story(one.guid, "Café fermé", f"{one.text} Le café « Été » a fermé à Liège.")
        return Answer(body=rss(self.serve([cafe]), "windows-1252", "utf-8"))

    def at_breaking(self, number: int, _: dict[str, str]) -> Answer:
        """The connection breaks in the middle of every second answer."""
        stories = [story("breaking", index) for index in range(8)]
        body = rss(stories)
        if number % 2 and not self.frozen:
            return Answer(send=lambda handler: _break(handler, body))
        self.serve(stories)
        return Answer(body=body)

    def at_dead(self, number: int, _: dict[str, str]) -> Answer:
        """Dead in several ways, then alive."""
        if number <= 3:
            return Answer((404, 500, 503)[number - 1])
        return Answer(body=rss(self.serve([story("dead", 1)])))

    def at_neighbour(self, _: int, __: dict[str, str]) -> Answer:
        """One good entry between broken ones."""
        good = rss(self.serve([story("neighbour", 1), story("neighbour", 2)]))
        bad = b"<item><title>&nosuch; <b></title><link>:::</link><pubDate>never</pubDate></item><item></item>"
        return Answer(body=good.replace(b"<item>", bad + b"<item>", 1))

    def at_shared_a(self, _: int, __: dict[str, str]) -> Answer:
        """One of two feeds with the same article."""
        return Answer(body=rss([self.shared()]))

    at_shared_b = at_shared_a

    def shared(self) -> Story:
        """The article that two feeds carry."""
        one = story("shared", 1)
        return Story(one.guid, one.title, one.text, f"{self.base}/articles/shared")

    def at_json(self, number: int, _: dict[str, str]) -> Answer:
        """A JSON Feed that grows."""
        stories = self.serve([story("json", index) for index in range(min(number, 4))])
        items = [{"id": one.guid, "title": one.title, "content_text": one.text} for one in stories]
        whole = {"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": items}
        return Answer(body=json.dumps(whole).encode(), headers={"Content-Type": "application/feed+json"})

    def at_atom(self, number: int, _: dict[str, str]) -> Answer:
        """Atom whose only entry is edited."""
        made = story("atom", 1, 1 + number // 4)
        one = self.serve([replace(made, guid="tag:example.org,2026:atom-1")])[0]
        entry = f"<entry><id>{one.guid}</id><title>{one.title}</title><content>{escape(one.text)}</content></entry>"
        return Answer(body=f'<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title>{entry}</feed>'.encode())

    def at_sitemap(self, _: int, __: dict[str, str]) -> Answer:
        """A news sitemap of two pages."""
        urls = "".join(
            f"<url><loc>{self.base}/page/{number}</loc><n:news><n:title>Page {number}</n:title></n:news></url>"
            for number in (1, 2)
        )
        names = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"'
        return Answer(body=f"<urlset {names}>{urls}</urlset>".encode())

    def at_page(self, number: int, _: dict[str, str]) -> Answer:
        """A page with a script in it; the first request of all fails."""
        if number == 1:
            return Answer(503)
        text = story("sitemap", 1).text
        script = "<script>alert('no')</script>"
        page = f"<html lang=en><head>{script}</head><body><article><h1>Page</h1><p>{text}</p></article></body></html>"
        return Answer(body=page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})

    def at_list(self, _: int, __: dict[str, str]) -> Answer:
        """An OPML list of one feed."""
        outline = f'<outline type="rss" text="Listed" xmlUrl="{self.base}/listed.xml"/>'
        return Answer(body=f'<opml version="2.0"><body>{outline}</body></opml>'.encode())

    def at_extra(self, _: int, __: dict[str, str]) -> Answer:
        """A feed that is added while the others run."""
        return Answer(body=rss(self.serve([story("extra", 1)])))

    def at_listed(self, _: int, __: dict[str, str]) -> Answer:
        """The feed on the list."""
        return Answer(body=rss(self.serve([story("listed", 1)])))


def _hold(handler: BaseHTTPRequestHandler, body: bytes, seconds: int) -> None:
    """A body a byte a second, or nothing at all."""
    if body:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
    for index in range(seconds):
        if body:
            handler.wfile.write(body[index : index + 1])
            handler.wfile.flush()
        time.sleep(1)
    handler.close_connection = True


def _explode(handler: BaseHTTPRequestHandler) -> None:
    member = gzip.compress(bytes(ZEROS), 9)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(10 * 1024 * 1024 * 1024 // ZEROS):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(member), member))
    handler.wfile.write(b"0\r\n\r\n")


def _break(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) * 2 // 3])
    handler.wfile.flush()
    handler.close_connection = True


@contextmanager
def serve(world: World) -> Iterator[str]:
    """Serve a world on a free port of 127.0.0.1; its base URL."""
    with serve_answers(world.answer) as world.base:
        yield world.base


@contextmanager
def serve_answers(make_answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[str]:
    """Serve what a function of path and headers answers, on a free port of 127.0.0.1; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = make_answer(self.path, dict(self.headers.items()))
            try:
                self._send(answer)
            except OSError:
                self.close_connection = True  # the client had enough

        def _send(self, answer: Answer) -> None:
            if answer.send is not None:
                answer.send(self)
                return
            self.send_response(answer.status)
            for header, value in answer.headers.items():
                self.send_header(header, value)
            if answer.status != 304:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
