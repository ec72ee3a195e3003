"""What may come out of an isolated kernel: text, PNG, JPEG, JSON, cleaned HTML; no script, no SVG, no widget."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeact_kernel.types import NbOutput

BEGINNINGS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
LEFT_OUT = "[left out, since it came from an isolated kernel: {}]"


def passed(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output (of nbformat, or a message's content) with what may pass; what was left out is named."""
    found: NbOutput = dict(output)
    data = output.get("data")
    if not isinstance(data, dict):
        return found
    kept: dict[str, Any] = {}
    for mime, value in data.items():
        clean = _clean(mime, value)
        if clean is not None:
            kept[mime] = clean
    gone = sorted(set(data) - set(kept))
    if not kept and gone:
        kept["text/plain"] = LEFT_OUT.format(", ".join(gone))
    found["data"] = kept
    if "metadata" in found:
        found["metadata"] = {}
    return found


def passed_all(outputs: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return outputs with what may pass."""
    return tuple(passed(output) for output in outputs)


def _clean(mime: str, value: Any) -> Any:
    if mime in {"text/plain", "text/latex"}:
        return value if isinstance(value, str) else None
    if mime == "application/json":
        return json.loads(json.dumps(value, default=str))
    if mime in BEGINNINGS:
        return value if isinstance(value, str) and _is_picture(mime, value) else None
    if mime == "text/html" and isinstance(value, str):
        return clean_html(value)
    return None


def _is_picture(mime: str, value: str) -> bool:
    try:
        return b64decode(value[:64]).startswith(BEGINNINGS[mime])
    except ValueError:
        return False


def clean_html(text: str) -> str | None:
    """Return HTML with the tags of tables and texts only; None where nh3 is not installed."""
    try:
        import nh3  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    tags = {
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "colgroup", "col", "p", "div", "span"),
        *(
            "b",
            "i",
            "em",
            "strong",
            "code",
            "pre",
            "br",
            "hr",
            "ul",
            "ol",
            "li",
            "h1",
            "h2",
            "h3",
            "h4",
            "small",
            "sub",
        ),
        "sup",
    }
    attributes = {"th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"}, "*": {"title"}}
    return nh3.clean(text, tags=tags, attributes=attributes, url_schemes=set(), strip_comments=True)
