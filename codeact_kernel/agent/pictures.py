"""Pictures among the outputs: their size, a note for a model that cannot see, the bytes for one that can."""

from __future__ import annotations

import base64
import binascii
import re

from codeact_kernel.canonical import sha256
from codeact_kernel.types import Image

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
MOST_PICTURES = 4
MOST_BYTES = 4_000_000
"""Pictures of one step that are sent, and the size of one; more is counted, not sent."""

PLAIN_OF_PICTURE = re.compile(r"<Figure size .*>|<PIL\..*>|<.* image .*>")


class Gallery:
    """Collects the pictures of one cell; `dropped` counts those that the model is only told of."""

    def __init__(self, *, visible: bool) -> None:
        self.visible = visible
        self.shown: list[tuple[int, Image]] = []
        self.dropped = 0

    def note(self, mime: str, data: str, index: int) -> str:
        """Take one picture (base64, or XML for SVG) of output `index` and return the line that stands for it."""
        kind = mime.partition("/")[2].partition("+")[0]
        raw = b"" if kind == "svg" else decoded(data)
        size = dimensions(raw)
        about = f"image: {size[0]}x{size[1]} {kind}" if size else f"image: {kind}"
        if self.visible and 0 < len(raw) <= MOST_BYTES and len(self.shown) < MOST_PICTURES:
            clean = base64.b64encode(raw).decode("ascii")
            self.shown.append((index, Image(mime, clean, sha256(raw))))
            return f"[{about}, attached]"
        self.dropped += 1
        return f"[{about}, shown to the user]"


def decoded(data: str) -> bytes:
    """Return the bytes of base64 text, empty when it is none."""
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def dimensions(raw: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels of a PNG, GIF or JPEG from its header; None for anything else."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n") and len(raw) >= 24:
        return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
    if raw.startswith((b"GIF87a", b"GIF89a")) and len(raw) >= 10:
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if raw.startswith(b"\xff\xd8"):
        return _jpeg(raw)
    return None


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    """Walk a JPEG's segments to its frame header, which holds height and width."""
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(raw[at + 7 : at + 9], "big"), int.from_bytes(raw[at + 5 : at + 7], "big")
        if length < 2:
            return None
        at += 2 + length
    return None
