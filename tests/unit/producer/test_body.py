"""Bodies arrive complete in pieces of any size, and no body fills the memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.producer.body import Body, BodyError, TooLargeError

LIMIT = 10 * 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "br": brotli.compress,
    "": bytes,
}


def read(encoding: str, data: bytes, step: int, limit: int = LIMIT) -> bytes:
    body = Body(encoding, limit)
    for start in range(0, len(data), step):
        body.add(data[start : start + step])
    return body.finish()


@given(st.binary(max_size=3000), st.sampled_from(list(ENCODERS)), st.integers(1, 400), st.integers(1, 60))
def test_what_was_compressed_comes_out(data: bytes, encoding: str, step: int, times: int) -> None:
    if data.startswith(b"\x1f\x8b"):
        data = b"x" + data
    whole = data * times
    assert read(encoding, ENCODERS[encoding](whole), step) == whole


def test_gzip_members_after_each_other_and_gzip_files_are_opened() -> None:
    assert read("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), 7) == b"one two"
    assert read("", gzip.compress(b"<urlset/>"), 7) == b"<urlset/>"


BOMBS: dict[str, Any] = {"gzip": gzip.compress, "br": brotli.compress, "": gzip.compress}
ZEROS = bytes(80 * 1024 * 1024)


@pytest.mark.parametrize("encoding", BOMBS, ids=["gzip", "br", "a gzip file"])
def test_zeros_are_refused_early(encoding: str) -> None:
    bomb = BOMBS[encoding](ZEROS, **({"quality": 2} if encoding == "br" else {"compresslevel": 1}))
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        read(encoding, bomb, 64 * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * 1024 * 1024, "at most the ratio's share of the first piece"


def test_a_long_text_is_refused_at_the_limit() -> None:
    with pytest.raises(TooLargeError, match="1,000"):
        read("", b"word " * 300, 64, limit=1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_what_cannot_be_decompressed_says_so(encoding: str) -> None:
    with pytest.raises(BodyError):
        read(encoding, b"\x1f\x8bnot at all compressed, whatever is said of it" * 20, 16)
