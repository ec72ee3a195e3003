"""The probe's report (agent/probe.py) as values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codeact_kernel.types import ErrorReport, Execution, NameInfo, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping


def reported(ran: Execution, report: Mapping[str, Any]) -> Execution:
    """Return an execution with what the report says of it; an empty report leaves it as it is."""
    return replace(
        ran,
        error=error_of(report) or ran.error,
        result=result_of(report),
        final=final_of(report),
        snapshot=snapshot_of(report) if report else None,
        notes=(*ran.notes, *left_of(report)),
    )


def snapshot_of(report: Mapping[str, Any]) -> Snapshot:
    """Return the namespace part of a report."""
    return Snapshot(
        names={name: NameInfo(*map(str, entry[:3])) for name, entry in report.get("names", {}).items()},
        files={name: int(size) for name, size in report.get("files", {}).items()},
        cwd=str(report.get("cwd", "")),
        modules=tuple(map(str, report.get("modules", ()))),
        functions=tuple(map(str, report.get("functions", ()))),
        left_out=int(report.get("left_out", 0)),
        heads={str(name): list(map(str, lines)) for name, lines in report.get("heads", {}).items()},
    )


def error_of(report: Mapping[str, Any]) -> ErrorReport | None:
    """Return the error part of a report, None where the cell had no error."""
    error = report.get("error")
    if not error:
        return None
    return ErrorReport(
        ename=str(error["ename"]),
        evalue=str(error["evalue"]),
        frames=tuple((str(where), int(line or 0), str(source)) for where, line, source in error.get("frames", ())),
        hints=tuple(map(str, error.get("hints", ()))),
    )


def final_of(report: Mapping[str, Any]) -> str | None:
    """Return the text of the answer that the cell gave with `final_answer`, None where it gave none."""
    final = report.get("final")
    return None if final is None else str(final)


def left_of(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences on what the cell left running."""
    return tuple(map(str, report.get("left") or ()))


def result_of(report: Mapping[str, Any]) -> str | None:
    """Return the summary of the cell's last expression, None where there was none."""
    result = report.get("result")
    return None if result is None else str(result)


def fault_of(said: dict[str, Any]) -> str:
    """Return "name: message" of an error in a kernel's reply, or in its answer to an expression."""
    return f"{said.get('ename', 'Error')}: {said.get('evalue', 'no answer of the kernel')}"


def plain_error_of(reply: dict[str, Any]) -> ErrorReport | None:
    """Return the error of a reply to a cell, without frames and hints; None where it had none."""
    if reply.get("status") == "ok":
        return None
    return ErrorReport(str(reply.get("ename", "KeyboardInterrupt")), str(reply.get("evalue", "")))
