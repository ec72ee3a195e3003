"""Canonical JSON and digests: the same value always has the same bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    r"""Return `value` as canonical JSON: sorted keys, no spaces, UTF-8; lone surrogates as backslash escapes.

    Raises:
        ValueError: for NaN and infinities, which JSON does not have.
        TypeError: for what is not JSON at all.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def sha256(data: bytes | str) -> str:
    """Return the hex SHA-256 of bytes, or of a text's UTF-8 (lone surrogates as backslash escapes)."""
    raw = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    return hashlib.sha256(raw).hexdigest()


def digest(value: Any) -> str:
    """Return the hex SHA-256 of a value's canonical JSON."""
    return sha256(canonical(value))
