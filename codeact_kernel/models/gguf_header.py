"""What a GGUF file says about how its model was tuned, read from the file's head.

The `gguf` package reads every tensor's place and the whole vocabulary first, and needs numpy: too much in a user's
kernel for two short texts that stand before the vocabulary. The layout is that of
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from codeact_kernel.models.hf_chat import CODEACT_KEY, WORDS_KEY

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"codeact.format": CODEACT_KEY, "codeact.words": WORDS_KEY}
"""Keys of a GGUF file, and of the adapter's settings that `codeact convert` takes them from."""
HEAD = struct.Struct("<4sIQQ")
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the types of fixed width."""
STRING, ARRAY = 8, 9
LONGEST, MOST = 1 << 16, 1000
"""Bytes of a text or items of a list, and settings, beyond which the rest of a file is left unread."""


def speech_of(path: Path) -> dict[str, str]:
    """Return the settings of `KEYS` that a file holds, under an adapter's names; {} where the file says nothing.

    Settings are read up to the vocabulary, before which `codeact convert` writes them. A file that is damaged says
    nothing here: who loads it says what is wrong.
    """
    found: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            magic, version, _, settings = HEAD.unpack(file.read(HEAD.size))
            if magic != b"GGUF" or version < 2:
                return {}
            for _ in range(min(settings, MOST)):
                key = _text(file)
                if key.startswith("tokenizer."):
                    break
                value = _value(file)
                if key in KEYS and value:
                    found[KEYS[key]] = value
    except (OSError, ValueError, struct.error):
        pass  # what stands before the damage was read whole
    return found


def _value(file: IO[bytes]) -> str:
    """Read a value; "" for all but a text.

    Raises:
        ValueError: the file is damaged, or the value is too long.
    """
    kind = _number(file, "<I")
    if kind == STRING:
        return _text(file)
    count = 1
    if kind == ARRAY:
        kind, count = _number(file, "<I"), _number(file, "<Q")
    if count > LONGEST:
        raise ValueError(count)
    if kind == STRING:
        for _ in range(count):
            _text(file)
    elif kind in WIDTHS:
        file.seek(WIDTHS[kind] * count, 1)
    else:
        raise ValueError(kind)
    return ""


def _text(file: IO[bytes]) -> str:
    length = _number(file, "<Q")
    raw = file.read(min(length, LONGEST))
    if len(raw) < length:
        raise ValueError(length)
    return raw.decode("utf-8")


def _number(file: IO[bytes], layout: str) -> int:
    (number,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return int(number)
