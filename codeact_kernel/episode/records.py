"""The record of a step: a Step as the JSON that a notebook keeps, and back.

A record holds everything that messages need; outputs stay in the cell, except a picture that the model saw
and no output holds. `record.code` is what ran; the cell's source is its projection (an editor may change
line ends) and `record.source` is its digest.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from codeact_kernel.canonical import digest, sha256
from codeact_kernel.episode.plain import escape, plain_text, unescape
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import (
    Approval,
    Completion,
    ErrorReport,
    Execution,
    Image,
    NbOutput,
    Observation,
    Request,
    Step,
    Summary,
    TaskTurn,
    Told,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Record = dict[str, Any]

_NONE = type(None)
_TEXT, _MAYBE_TEXT, _MAYBE_DICT, _MAYBE_LIST = (str,), (str, _NONE), (dict, _NONE), (list, _NONE)
_TYPES: dict[str, dict[str, tuple[type, ...]]] = {
    "": {
        **dict.fromkeys(("kind", "text", "finish"), _TEXT),
        **dict.fromkeys(("thought", "code", "reasoning"), _MAYBE_TEXT),
        **dict.fromkeys(("request", "timing", "approval", "execution", "observation", "told"), _MAYBE_DICT),
        **dict.fromkeys(("repairs", "drafts", "risk", "stdin"), _MAYBE_LIST),
    },
    "request": {"digest": _TEXT, "count": (int,), "view": _MAYBE_DICT, "summary": _MAYBE_DICT},
    "timing": dict.fromkeys(("asked", "first_token", "answered", "ran", "finished"), _MAYBE_TEXT),
    "told": {"by": _TEXT, "text": _TEXT},
    "approval": {"decision": _TEXT, **dict.fromkeys(("by", "proposed", "reason"), _MAYBE_TEXT)},
    "execution": {
        "status": _TEXT,
        **dict.fromkeys(("result", "final"), _MAYBE_TEXT),
        "error": _MAYBE_DICT,
        "notes": _MAYBE_LIST,
    },
    "observation": {
        **dict.fromkeys(("status", "text"), _TEXT),
        "images": _MAYBE_LIST,
        "dropped": _MAYBE_DICT,
        "guide": (int, _NONE),
    },
}
"""The types that a step's record must have, by part; what else is in it is kept and not looked at."""


def record_digest(record: Record) -> str:
    """Return the link of the chain: SHA-256 of the record's canonical JSON, in hex."""
    return digest(record)


def usage_to_json(usage: Usage) -> dict[str, int]:
    """Return a usage as JSON."""
    return {"input": usage.input, "output": usage.output, "cached": usage.cached, "calls": usage.calls}


def usage_from_json(value: Any) -> Usage:
    """Return a usage from JSON; what is missing counts 0."""
    known = value if isinstance(value, dict) else {}
    return Usage(*(int(known.get(name) or 0) for name in ("input", "output", "cached", "calls")))


def task_record(turn: TaskTurn, prev: str | None) -> Record:
    """Return the record of a task; `prev` is the digest of the record before it."""
    return escape({"text": turn.text, "content": turn.content, "asked": turn.asked, "prev": prev})


def task_from_record(record: Record) -> TaskTurn:
    """Return the task of a record.

    Raises:
        EpisodeError: the record lacks what a task needs.
    """
    known = unescape(record)
    try:
        _check_types(known, {"text": _TEXT, "content": _TEXT, "asked": _MAYBE_TEXT})
        return TaskTurn(known["text"], known["content"], known.get("asked") or "")
    except (KeyError, TypeError) as error:
        raise EpisodeError(f"The record of a task lacks {error}; the episode was damaged.") from None


def step_record(step: Step, prev: str | None) -> Record:
    """Return the record of a step; `prev` is the digest of the record before it."""
    reply, ran = step.completion, step.execution
    outputs = ran.outputs if ran else ()
    return escape(
        {
            "kind": step.kind,
            "text": reply.text,
            "reasoning": reply.reasoning,
            "tool_calls": None,
            "finish": reply.finish,
            "thought": step.thought,
            "code": step.code,
            "repairs": list(step.repairs),
            "drafts": list(step.drafts),
            "request": {
                "digest": step.request.digest,
                "count": step.request.count,
                "view": dict(step.request.view) if step.request.view is not None else None,
                **_summary_to_json(step.request.summary),
            },
            "usage": usage_to_json(reply.usage),
            "timing": {
                "asked": reply.asked,
                "first_token": reply.first_token,
                "answered": reply.answered,
                "ran": ran.started if ran else "",
                "finished": ran.finished if ran else "",
            },
            "approval": _approval_to_json(step.approval),
            "risk": list(step.risk),
            "execution": _execution_to_json(ran),
            "observation": _observation_to_json(step.observation, outputs),
            "stdin": [dict(answer) for answer in ran.stdin] if ran else [],
            "source": sha256(plain_text(step.code)) if step.code is not None else None,
            **({"told": {"by": step.told.by, "text": step.told.text}} if step.told is not None else {}),
            "prev": prev,
        }
    )


def step_from_record(record: Record, index: int, outputs: Sequence[NbOutput] = ()) -> Step:
    """Return the step of a record; `outputs` are those of its cell, in order.

    Pictures whose output was cleared come back without data, with their digest. Snapshots are not kept.

    Raises:
        EpisodeError: the record lacks what a step needs.
    """
    known = unescape(record)
    try:
        for part, types in _TYPES.items():
            _check_types((known.get(part) or {}) if part else known, types)
        _check_items(known)
        timing, request = known.get("timing") or {}, known["request"]
        completion = Completion(
            text=known["text"],
            finish=known["finish"],
            usage=usage_from_json(known.get("usage")),
            reasoning=known.get("reasoning"),
            asked=timing.get("asked") or "",
            first_token=timing.get("first_token") or "",
            answered=timing.get("answered") or "",
        )
        return Step(
            index=index,
            kind=known["kind"],
            completion=completion,
            request=Request(
                request["digest"],
                request["count"],
                request.get("view"),
                _summary_from_json(request.get("summary")),
            ),
            thought=known.get("thought") or "",
            code=known.get("code"),
            approval=_approval_from_json(known.get("approval")),
            risk=tuple(known.get("risk") or ()),
            execution=_execution_from_json(known, timing, outputs),
            observation=_observation_from_json(known.get("observation"), outputs),
            repairs=tuple(known.get("repairs") or ()),
            drafts=tuple(known.get("drafts") or ()),
            told=Told(known["told"]["by"], known["told"]["text"]) if known.get("told") else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EpisodeError(
            f"The record of step {index} is incomplete ({error}); the episode was damaged."
        ) from None


def _check_types(known: Record, types: dict[str, tuple[type, ...]]) -> None:
    for name, kinds in types.items():
        if name in known and not isinstance(known[name], kinds):
            raise TypeError(f"{name} of the wrong type")


def _check_items(known: Record) -> None:
    """Raise TypeError where a list or mapping of a step's record holds what it must not."""
    ran, seen = known.get("execution") or {}, known.get("observation") or {}
    error, images = ran.get("error") or {}, seen.get("images") or ()
    texts = {name: known.get(name) for name in ("repairs", "drafts", "risk")} | {
        "notes": ran.get("notes"),
        "hints": error.get("hints"),
        "error": [error.get("ename", ""), error.get("evalue", "")],
        "images": [image.get(name, "") for image in images for name in ("data", "mime", "sha256")],
    }
    wrong = [name for name, items in texts.items() if not all(isinstance(item, str) for item in items or ())]
    if not all(isinstance(answer, dict) for answer in known.get("stdin") or ()):
        wrong.append("stdin")
    if not all(isinstance(chars, int) for chars in (known["request"].get("view") or {}).values()):
        wrong.append("view")
    if wrong:
        raise TypeError(f"{wrong[0]} of the wrong type")


def _summary_to_json(summary: Summary | None) -> Record:
    if summary is None:
        return {}
    made = {"text": summary.text, "upto": summary.upto, "usage": usage_to_json(summary.usage)}
    return {"summary": made}


def _summary_from_json(known: Record | None) -> Summary | None:
    if not known:
        return None
    _check_types(known, {"text": _TEXT, "upto": (int,)})
    return Summary(known["text"], known["upto"], usage_from_json(known.get("usage")))


def _approval_to_json(approval: Approval | None) -> dict[str, Any] | None:
    if approval is None:
        return None
    return {
        "decision": approval.decision,
        "by": approval.by,
        "proposed": approval.proposed,
        "reason": approval.reason,
    }


def _approval_from_json(known: Record | None) -> Approval | None:
    if not known:
        return None
    return Approval(
        known["decision"], known.get("by") or "policy", known.get("proposed"), known.get("reason") or ""
    )


def _execution_to_json(ran: Execution | None) -> dict[str, Any] | None:
    """Return what no cell holds of an execution, and a rehearsal needs to make the observation again."""
    if ran is None:
        return None
    known: dict[str, Any] = {"status": ran.status, "count": ran.execution_count, "result": ran.result}
    if ran.error is not None:
        known["error"] = {
            "ename": ran.error.ename,
            "evalue": ran.error.evalue,
            "frames": [list(frame) for frame in ran.error.frames],
            "hints": list(ran.error.hints),
        }
    if ran.final is not None:
        known["final"] = ran.final
    if ran.notes:
        known["notes"] = list(ran.notes)
    return known


def _error_from_json(known: Any) -> ErrorReport | None:
    if not isinstance(known, dict):
        return None
    frames = tuple((str(where), int(line), str(source)) for where, line, source in known.get("frames") or ())
    return ErrorReport(known["ename"], known["evalue"], frames, tuple(known.get("hints") or ()))


def _execution_from_json(known: Record, timing: Record, outputs: Sequence[NbOutput]) -> Execution | None:
    ran = known.get("execution")
    if not ran:
        return None
    return Execution(
        status=ran["status"],
        outputs=tuple(outputs),
        execution_count=ran.get("count"),
        started=timing.get("ran") or "",
        finished=timing.get("finished") or "",
        error=_error_from_json(ran.get("error")),
        result=ran.get("result"),
        final=ran.get("final"),
        notes=tuple(ran.get("notes") or ()),
        stdin=tuple(known.get("stdin") or ()),
    )


def _observation_to_json(seen: Observation | None, outputs: Sequence[NbOutput]) -> dict[str, Any] | None:
    if seen is None:
        return None
    images = []
    for part, (output, image) in enumerate(seen.images):
        entry: dict[str, Any] = {"part": part, "output": output, "mime": image.mime, "sha256": image.sha256}
        if image.data and _output_data(outputs, output, image.mime) != image.data:
            entry["data"] = image.data
        images.append(entry)
    guide = len(seen.guide) if seen.guide and seen.text.endswith(seen.guide) else 0
    return {
        "status": seen.status,
        "text": seen.text,
        "images": images,
        "dropped": {"chars": seen.dropped_chars, "images": seen.dropped_images},
        **({"guide": guide} if guide else {}),
    }


def _observation_from_json(known: Record | None, outputs: Sequence[NbOutput]) -> Observation | None:
    if not known:
        return None
    images = []
    for entry in sorted(known.get("images") or (), key=lambda image: int(image.get("part") or 0)):
        data = entry.get("data")
        if data is None:
            data = _output_data(outputs, entry["output"], entry["mime"])
            if not _is_picture(data, entry["sha256"]):
                data = ""
        images.append((entry["output"], Image(entry["mime"], data, entry["sha256"])))
    dropped = known.get("dropped") or {}
    guide = int(known.get("guide") or 0)
    return Observation(
        status=known["status"],
        text=known["text"],
        images=tuple(images),
        dropped_chars=dropped.get("chars") or 0,
        dropped_images=dropped.get("images") or 0,
        guide=known["text"][len(known["text"]) - guide :] if guide else "",
    )


def _output_data(outputs: Sequence[NbOutput], index: int, mime: str) -> str:
    """Return the base64 text of an output without white space; empty when there is none."""
    if not 0 <= index < len(outputs):
        return ""
    data = (outputs[index].get("data") or {}).get(mime) or ""
    return "".join(("".join(data) if isinstance(data, list) else str(data)).split())


def _is_picture(data: str, wanted: str) -> bool:
    try:
        return sha256(b64decode(data, validate=True)) == wanted
    except ValueError:
        return False
