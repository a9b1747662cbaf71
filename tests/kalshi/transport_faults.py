"""Faults of transport, status, encoding and body, each with the error that it must end with."""

from __future__ import annotations

import gzip

from pipelines.kalshi import errors

from .fault_server import Play, answer, drip, head, page, raw, reset_after, zipped

GOOD = page("a", "b", cursor="next")
HALF = GOOD[: len(GOOD) // 2]
HTML = b"<!DOCTYPE html>\n<title>Just a moment...</title>\x1b[31m" + b"x" * 5000
CHUNKED = head(200, {"Transfer-Encoding": "chunked"})
MIB = 1024 * 1024

# Faults that are retried: transport faults end as Unreachable, 5xx as ServerFault, broken JSON as NotTheApi.
TRANSIENT: dict[str, tuple[Play, type[errors.KalshiError], int, str]] = {
    "closed-without-a-response": (raw(b""), errors.Unreachable, 8, "without response"),
    "reset-before-the-response": (reset_after(b""), errors.Unreachable, 8, "reset"),
    "reset-in-the-headers": (reset_after(b"HTTP/1.1 200 OK\r\nContent-"), errors.Unreachable, 8, "reset"),
    "reset-mid-body": (reset_after(head(200, {"Content-Length": "999"}) + HALF), errors.Unreachable, 8, "reset"),
    "no-http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), errors.Unreachable, 8, "not HTTP: SSH-2.0"),
    "no-http-and-long": (raw(b"x" * 60_000 + b"\r\n"), errors.Unreachable, 8, "not HTTP: xxx"),
    "too-many-headers": (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200), errors.Unreachable, 8, "more than 100"),
    "endless-header": (raw(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000), errors.Unreachable, 8, "more than 65536"),
    "two-lengths": (raw(head(200, {"Content-Length": "5, 7"}) + GOOD), errors.Unreachable, 8, "Content-Length"),
    "short-content-length": (raw(head(200, {"Content-Length": "999"}) + GOOD), errors.Unreachable, 8, "Incomplete"),
    "cut-in-a-chunk": (raw(CHUNKED + b"40\r\n" + HALF[:20]), errors.Unreachable, 8, "Incomplete"),
    "cut-between-chunks": (raw(CHUNKED + b'4\r\n{"mi\r\n'), errors.Unreachable, 8, "Incomplete"),
    "chunk-size-no-number": (raw(CHUNKED + b"zz\r\n"), errors.Unreachable, 8, "Incomplete"),
    "headers-only": (raw(b"HTTP/1.1 200 OK\r\n\r\n"), errors.Unreachable, 8, "empty body"),
    "empty-200": (answer(b""), errors.Unreachable, 8, "empty body"),
    "cut-in-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app"), errors.Unreachable, 8, "empty body"),
    "gzip-cut": (zipped(GOOD, cut=20), errors.Unreachable, 8, "no end"),
    "gzip-without-trailer": (zipped(GOOD, cut=-8), errors.Unreachable, 8, "no end"),
    "gzip-corrupt": (zipped(GOOD, flip=15), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-wrong-checksum": (zipped(GOOD, flip=-6), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-only-announced": (answer(GOOD, Content_Encoding="gzip"), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-empty": (answer(b"", Content_Encoding="gzip"), errors.Unreachable, 8, "no end"),
    "truncated-json": (raw(head(200, {}) + HALF), errors.NotTheApi, 3, "not complete JSON"),
    "truncated-json-of-full-length": (answer(HALF), errors.NotTheApi, 3, "not complete JSON"),
    "longer-than-its-length": (
        raw(head(200, {"Content-Length": str(len(HALF)), "Connection": "close"}) + GOOD),
        errors.NotTheApi,
        3,
        "not complete JSON",
    ),
    "two-documents": (answer(GOOD + GOOD), errors.NotTheApi, 3, "trailing characters"),
    "html": (answer(HTML, Content_Type="text/html"), errors.NotTheApi, 3, r"<!DOCTYPE html>\n<title>"),
    "not-utf-8": (answer(b'{"milestones": [], "cursor": "\xff"}'), errors.NotTheApi, 3, "utf-8"),
    **{
        f"status-{status}": (answer(b'{"msg": "upstream"}', status), errors.ServerFault, 8, "upstream")
        for status in (408, 425, 500, 501, 502, 503, 504, 520, 599)
    },
    "502-html": (answer(HTML, 502), errors.ServerFault, 8, r"<!DOCTYPE html>\n"),
    "500-without-a-body": (answer(b"", 500), errors.ServerFault, 8, "HTTP 500"),
    "500-cut": (raw(head(500, {"Content-Length": "99"})), errors.ServerFault, 8, "HTTP 500"),
    "429": (answer(b'{"error": "too many requests"}', 429), errors.RateLimited, 8, "too many requests"),
}

# Faults that are not retried: raised after one request.
FINAL: dict[str, tuple[Play, type[errors.KalshiError], str]] = {
    **{
        f"json-{name}": (answer(body), errors.NotTheApi, "does not have the expected shape")
        for name, body in {
            "null": b"null",
            "array": b"[]",
            "object": b"{}",
            "error-with-200": b'{"error": "maintenance"}',
            "cursor-0": b'{"milestones": [], "cursor": 0}',
            "cursor-false": b'{"milestones": [], "cursor": false}',
        }.items()
    },
    "json-deep": (answer(b'{"milestones": [' + b"[" * 10**5 + b"]" * 10**5 + b"]}"), errors.NotTheApi, "too deeply"),
    "204": (raw(head(204, {}), keep=True), errors.NotTheApi, "HTTP 204"),
    "206": (answer(GOOD, 206), errors.NotTheApi, "HTTP 206"),
    "brotli": (answer(GOOD, Content_Encoding="br"), errors.NotTheApi, "`br`"),
    "endless-encoding": (answer(GOOD, Content_Encoding="gzip, " * 9000), errors.NotTheApi, "`gzip, gzip"),
    "endless-location": (answer(b"", 302, Location="//" + "e" * 60_000), errors.Redirected, "//eee"),
    "gzip-chain": (answer(GOOD, Content_Encoding="gzip, gzip"), errors.NotTheApi, "`gzip, gzip`"),
    "405": (answer(b"", 405), errors.BadRequest, "HTTP 405"),
    "414": (answer(b"", 414), errors.BadRequest, "HTTP 414"),
    "401": (answer(b'{"msg": "who are you"}', 401), errors.AccessDenied, "no credentials"),
    "403-html": (answer(HTML, 403), errors.AccessDenied, r"<!DOCTYPE html>\n"),
    "403-bad-gzip": (answer(b"denied", 403, Content_Encoding="gzip"), errors.AccessDenied, "HTTP 403"),
    "403-brotli": (answer(b"denied", 403, Content_Encoding="br"), errors.AccessDenied, "HTTP 403"),
    "403-gzip": (answer(gzip.compress(b"<b>zipped"), 403, Content_Encoding="gzip"), errors.AccessDenied, "<b>zipped"),
    "403-huge": (answer(b"x" * MIB, 403), errors.AccessDenied, "x" * 200 + "..."),
    "404": (answer(b'{"error":{"code":"not_found","message":"not found"}}', 404), errors.NotFound, "not_found"),
    "302-other-host": (
        answer(b"", 302, Location="https://user:hunter2@evil.example/x?y"),
        errors.Redirected,
        "redirects to https://evil.example (",
    ),
    "301-to-http": (answer(b"", 301, Location="http://127.0.0.2/x"), errors.Redirected, "http://127.0.0.2"),
    "301-slash": (answer(b"", 301, Location="/trade-api/v2/milestones/"), errors.Redirected, "/v2/milestones/"),
    "307-nowhere": (answer(b"", 307), errors.Redirected, "nowhere"),
    "308-unreadable": (answer(b"", 308, Location="https://[::1/"), errors.Redirected, "unreadable"),
    "302-controls": (answer(b"", 302, Location="//e\x1b31m.example/"), errors.Redirected, r"\x1b31m"),
    "304": (raw(head(304, {}), keep=True), errors.Redirected, "HTTP 304"),
    "announced-too-large": (
        raw(head(200, {"Content-Length": str(10**12)})),
        errors.TooLarge,
        "lower KALSHI_PAGE_LIMIT",
    ),
    "too-large": (answer(b" " * (MIB + 1)), errors.TooLarge, "1,048,576 bytes"),
    "endless": (drip(head(200, {}), b" " * 65536, every_seconds=0), errors.TooLarge, "1,048,576 bytes"),
    "endless-chunks": (drip(CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n", every_seconds=0), errors.TooLarge, "larger"),
    "bomb": (zipped(bytes(20 * MIB)), errors.TooLarge, "1,048,576 bytes"),
}
