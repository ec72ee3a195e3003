"""How large a picture says it is, read from its first bytes: nothing is decoded."""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode

HEAD = 1 << 16
"""Bytes of a picture that are looked at; JPEGs may hold long comments before their size."""
_SIZED_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}


def pixels(data: str) -> int | None:
    """Return how many pixels a base64 picture claims to have; None where it cannot be read from its beginning.

    PNG, JPEG, GIF, WebP and BMP are known.
    """
    letters = "".join(data[: HEAD * 2].split())[: HEAD * 4 // 3 // 4 * 4]
    try:
        head = b64decode(letters[: len(letters) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    try:
        size = _size(head)
    except struct.error:
        return None
    return None if size is None else size[0] * size[1]


def _size(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head[:6] in (b"GIF87a", b"GIF89a"):
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    if head.startswith(b"BM"):
        width, height = struct.unpack("<ii", head[18:26])
        return abs(width), abs(height)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        wide, high = int.from_bytes(head[24:27], "little"), int.from_bytes(head[27:30], "little")
        return wide + 1, high + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack("<I", head[21:25])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker in _SIZED_FRAMES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, struct.unpack(">H", head[at + 2 : at + 4])[0])
    return None
