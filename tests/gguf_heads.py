"""Heads of GGUF files, made by hand."""

from __future__ import annotations

import struct


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def several(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


OURS = (entry("codeact.format", 8, text("execute")), entry("codeact.words", 8, text("system-tuned")))
OTHERS = (
    entry("general.architecture", 8, text("llama")),
    entry("llama.block_count", 4, struct.pack("<I", 30)),
    entry("llama.rope.freq_base", 6, struct.pack("<f", 1e5)),
    entry("general.quantised", 7, b"\x01"),
    entry("llama.big", 10, struct.pack("<Q", 1 << 40)),
    entry("general.tags", 9, several(8, [text("chat"), text("small")])),
    entry("llama.widths", 9, several(5, [struct.pack("<i", n) for n in range(3)])),
)
VOCABULARY = entry("tokenizer.ggml.tokens", 9, several(8, [text("a"), text("b")]))


def head(*entries, magic=b"GGUF", version=3):
    return struct.pack("<4sIQQ", magic, version, 0, len(entries)) + b"".join(entries)
