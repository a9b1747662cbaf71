"""The keyset cursor, byte for byte as the live API makes it: unpadded base64url of a small protobuf message.

    message Cursor { Timestamp last_start = 1; string last_id = 2; }
    message Timestamp { int64 seconds = 1; }

Encoded by hand: two fields do not justify a protobuf dependency. Clients must treat the text as opaque; the sandbox
uses the real format so that a client that reads or alters it fails as it would live.
"""

from __future__ import annotations

import base64

Position = tuple[int, str]
"""The position of a scan: start (Unix seconds) and id of the last milestone read. Also the sort key."""

_VARINT, _BYTES = 0, 2
_INT64 = 1 << 64
_INT64_MAX = (1 << 63) - 1
_VARINT_BITS_MAX = 63


class InvalidCursorError(ValueError):
    """The text is not a cursor that `encode_cursor` could have made."""


def encode_cursor(position: Position) -> str:
    """The cursor after this milestone."""
    seconds, milestone_id = position
    # proto3 leaves a zero or empty field out, but not a message that is set.
    inner = b"\x08" + _varint(seconds % _INT64) if seconds else b""
    name = milestone_id.encode()
    data = b"\x0a" + _varint(len(inner)) + inner + (b"\x12" + _varint(len(name)) + name if name else b"")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_cursor(text: str) -> Position:
    """The position that a cursor encodes. Raises InvalidCursorError for anything but the canonical encoding."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        fields = _fields(data)
        seconds = _fields(_as_bytes(fields.get(1, b""))).get(1, 0)
        name = _as_bytes(fields.get(2, b"")).decode()
    except (ValueError, IndexError) as error:
        raise InvalidCursorError(text) from error
    if not isinstance(seconds, int):
        raise InvalidCursorError(text)
    position = (seconds - _INT64 if seconds > _INT64_MAX else seconds, name)
    # Unknown fields, overlong varints and stray bits do not survive the round trip.
    if encode_cursor(position) != text:
        raise InvalidCursorError(text)
    return position


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value % _INT64, at
        shift += 7
        if shift > _VARINT_BITS_MAX:
            raise ValueError("varint too long")


def _fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of one protobuf message: numbers and length-delimited bytes are all a cursor holds."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if tag & 7 == _VARINT:
            fields[tag >> 3] = value
        elif tag & 7 == _BYTES and at + value <= len(data):
            fields[tag >> 3] = data[at : at + value]
            at += value
        else:
            raise ValueError("not a cursor field")
    return fields


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes belong")  # noqa: TRY004 - one kind of error for bad text
    return value
