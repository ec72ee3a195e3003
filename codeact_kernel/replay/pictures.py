"""Do two pictures look the same? Equal bytes, else the pixels, where pillow is there to decode them."""

from __future__ import annotations

import io
import warnings
from base64 import b64decode
from typing import Any

from codeact_kernel.replay.picture_size import pixels

MEAN = 2.0
"""Mean difference of a channel, of 255, that is let pass."""
BLOCK = 8
"""Pixels of the side of a block; a change within a few blocks is visible and yet vanishes in the mean."""
BLOCK_MEAN = 8.0
"""Mean difference of a channel, of 255, that one block may have."""
MOST_PIXELS = 50_000_000


def differ(old: str, new: str) -> str:
    """Return how two base64 pictures differ, in one sentence; "" where they look the same.

    No picture of more than MOST_PIXELS is decoded.
    """
    old, new = "".join(old.split()), "".join(new.split())
    if old == new:
        return ""
    if max(pixels(old) or 0, pixels(new) or 0) > MOST_PIXELS:
        return "Other bytes; the pictures are too large to be decoded."
    try:
        from PIL import Image  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        return "Other bytes; without pillow the pixels cannot be compared."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one, other = _decoded(Image, old), _decoded(Image, new)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, MemoryError) as error:
        return f"Other bytes, and not both can be decoded ({type(error).__name__})."
    return _pixels_differ(one, other)


def _pixels_differ(one: Any, other: Any) -> str:
    from PIL import ImageChops, ImageStat  # noqa: PLC0415

    if one.size != other.size:
        return f"The size was {one.size[0]} x {one.size[1]}, now it is {other.size[0]} x {other.size[1]} pixels."
    difference: Any = ImageChops.difference(one, other)
    mean = max(ImageStat.Stat(difference).mean)
    if mean > MEAN:
        return f"The pixels differ by {mean:.1f} of 255 in the mean."
    worst = max(high for _, high in difference.reduce(BLOCK).getextrema())
    if worst > BLOCK_MEAN:
        return f"The pixels differ in places (by {worst:.0f} of 255 in one block of {BLOCK} x {BLOCK})."
    return ""


def _decoded(images: Any, data: str) -> Any:
    """Return the first frame over white, as RGB: what is transparent shows no colour."""
    image = images.open(io.BytesIO(b64decode(data))).convert("RGBA")
    ground = images.new("RGBA", image.size, (255, 255, 255, 255))
    ground.alpha_composite(image)
    return ground.convert("RGB")
