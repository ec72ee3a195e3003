"""The outputs of a cell, recorded and new: the same, equal but for noise, or different?

Streams are joined per name and folded as a terminal would; rich outputs count in their order; execution counts,
metadata, and tracebacks (of errors the name and the value count) do not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.canonical import canonical
from codeact_kernel.replay import pictures
from codeact_kernel.replay.fold import fold
from codeact_kernel.replay.kept import kept_by_both
from codeact_kernel.replay.rules import Aliases, Moment, Removed, Rules
from codeact_kernel.replay.texts import Difference, Leaf, compare_texts, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codeact_kernel.types import NbOutput

Verdict: TypeAlias = Literal["same", "drift", "differs", "status"]
Policy: TypeAlias = Literal["strict", "normal", "contains"]
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
MARKUP = frozenset({"text/html", "image/svg+xml"})
WIDGETS = "application/vnd.jupyter.widget-"
DEEPEST = 100
"""Levels of JSON that are looked into; what is deeper is compared whole."""
MOST_DIFFERENCES = 50

__all__ = ["Aliases", "Comparison", "Difference", "Moment", "Removed", "Rules", "compare_outputs"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`drift`: equal after the rules took away what `removed` lists; `status`: one side has an error."""

    verdict: Verdict
    removed: tuple[Removed, ...] = ()
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class _Context:
    rules: Rules
    aliases: Aliases
    moment: Moment
    rtol: float
    removed: dict[tuple[str, str], int]
    differences: list[Difference]

    def add(self, leaf: Leaf) -> None:
        for one in leaf.removed:
            key = (one.rule, one.text)
            self.removed[key] = self.removed.get(key, 0) + one.count
        self.differences += leaf.differences

    def differs(self, where: str, old: str, new: str, kind: str) -> None:
        self.differences.append(Difference(where, old, new, kind))

    def text(self, where: str, old: str, new: str, *, markup: bool = False) -> None:
        self.add(
            compare_texts(
                where,
                old,
                new,
                rules=self.rules,
                aliases=self.aliases,
                moment=self.moment,
                rtol=self.rtol,
                markup=markup,
            )
        )


def compare_outputs(
    recorded: Sequence[NbOutput],
    new: Sequence[NbOutput],
    *,
    rules: Rules | None = None,
    rtol: float = 1e-6,
    policy: Policy | str = "normal",
    aliases: Aliases | None = None,
    moment: Moment | None = None,
) -> Comparison:
    """Compare the nbformat outputs of one cell.

    Args:
        recorded: what the notebook holds.
        new: what running it again gave.
        rules: ours, and those of the user.
        rtol: relative tolerance of floats; integers are compared exactly.
        policy: "normal"; "strict": folded outputs must be equal to the byte; "contains": each recorded line and
            rich output must come again, in order, among what else there may be.
        aliases: passed from cell to cell of a notebook, so that one uuid is one uuid in all of it.
        moment: when the two runs were; without it the new one is now. Printed moments must lie near.

    Raises:
        ConfigError: a rule of the user takes too long.
    """
    aliases = Aliases() if aliases is None else aliases
    aliases.next_cell()
    context = _Context(rules or Rules(), aliases, moment or Moment(), rtol, {}, [])
    status = any(map(_is_error, recorded)) != any(map(_is_error, new))
    if policy == "strict":
        _strict(context, recorded, new)
    else:
        _streams(context, recorded, new, contains=policy == "contains")
        _errors(context, recorded, new)
        _rich(context, recorded, new, contains=policy == "contains")
    verdict: Verdict = "drift" if context.removed else "same"
    if context.differences:
        verdict = "status" if status else "differs"
    removed = tuple(Removed(rule, text, count) for (rule, text), count in context.removed.items())
    return Comparison(verdict, removed, tuple(context.differences[:MOST_DIFFERENCES]))


def _is_error(output: NbOutput) -> bool:
    return output.get("output_type") == "error"


def _joined(value: Any) -> str:
    """Return a text that nbformat may hold as a list of lines."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _streams_of(outputs: Sequence[NbOutput]) -> dict[str, str]:
    streams: dict[str, list[str]] = {}
    for output in outputs:
        if output.get("output_type") == "stream":
            streams.setdefault(str(output.get("name", "stdout")), []).append(_joined(output.get("text", "")))
    return {name: "".join(texts) for name, texts in streams.items()}


def _folded(
    context: _Context, recorded: Sequence[NbOutput], new: Sequence[NbOutput]
) -> Iterator[tuple[str, str, str]]:
    """Yield name and both texts of each stream, as far as both were kept."""
    old_streams, new_streams = _streams_of(recorded), _streams_of(new)
    for name in {**old_streams, **new_streams}:
        old, now, left_out = kept_by_both(old_streams.get(name, ""), new_streams.get(name, ""))
        if left_out:
            context.removed["middle of a long stream", f"{name}: {left_out}"] = 1
        yield name, fold(old), fold(now)


def _strict(context: _Context, recorded: Sequence[NbOutput], new: Sequence[NbOutput]) -> None:
    old_rich, new_rich = (
        [_plain(one) for one in side if one.get("output_type") != "stream"] for side in (recorded, new)
    )
    for name, old, now in _folded(context, recorded, new):
        if old != now:
            context.differs(name, old, now, "text")
    for number in range(max(len(old_rich), len(new_rich))):
        one, other = (side[number] if number < len(side) else "" for side in (old_rich, new_rich))
        if one != other:
            context.differs(f"output {number + 1}", one, other, "bytes")


def _plain(output: NbOutput) -> str:
    kept = {key: value for key, value in output.items() if key not in ("execution_count", "transient")}
    if isinstance(kept.get("data"), dict):
        kept["data"] = {
            mime: _joined(value) if isinstance(value, list) else value for mime, value in kept["data"].items()
        }
    try:
        return canonical(kept).decode("utf-8")
    except (TypeError, ValueError, RecursionError):
        return repr(kept)


def _streams(context: _Context, recorded: Sequence[NbOutput], new: Sequence[NbOutput], *, contains: bool) -> None:
    for name, old, now in _folded(context, recorded, new):
        if contains:
            context.add(
                in_order(
                    name,
                    old,
                    now,
                    rules=context.rules,
                    aliases=context.aliases,
                    moment=context.moment,
                    rtol=context.rtol,
                )
            )
        else:
            context.text(name, old, now)


def _errors(context: _Context, recorded: Sequence[NbOutput], new: Sequence[NbOutput]) -> None:
    old, now = ([one for one in side if _is_error(one)] for side in (recorded, new))
    for one, other in zip(old, now, strict=False):
        if one.get("ename") != other.get("ename"):
            context.differs("error", str(one.get("ename")), str(other.get("ename")), "error")
        context.text("error", fold(_joined(one.get("evalue", ""))), fold(_joined(other.get("evalue", ""))))
    for one in old[len(now) :]:
        context.differs("error", f"{one.get('ename')}: {one.get('evalue')}", "", "missing")
    for one in now[len(old) :]:
        context.differs("error", "", f"{one.get('ename')}: {one.get('evalue')}", "extra")


def _rich(context: _Context, recorded: Sequence[NbOutput], new: Sequence[NbOutput], *, contains: bool) -> None:
    old, now = (
        [_data(one) for one in side if one.get("output_type") not in ("stream", "error")]
        for side in (recorded, new)
    )
    if contains:
        _rich_in_order(context, old, now)
        return
    for number, (one, other) in enumerate(zip(old, now, strict=False), 1):
        _bundles(context, f"output {number}", one, other)
    for number, one in enumerate(old[len(now) :], len(now) + 1):
        context.differs(f"output {number}", _short(one), "", "missing")
    for number, one in enumerate(now[len(old) :], len(old) + 1):
        context.differs(f"output {number}", "", _short(one), "extra")


def _rich_in_order(context: _Context, old: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    """Look for each recorded output among the new ones, from where the one before was found."""
    at = 0
    for number, one in enumerate(old, 1):
        for place in range(at, len(now)):
            trial = _Context(context.rules, context.aliases, context.moment, context.rtol, {}, [])
            here = {mime: now[place][mime] for mime in one if mime in now[place]}
            _bundles(trial, f"output {number}", one, here)
            if not trial.differences:
                for key, count in trial.removed.items():
                    context.removed[key] = context.removed.get(key, 0) + count
                at = place + 1
                break
        else:
            context.differs(f"output {number}", _short(one), "", "missing")


def _data(output: NbOutput) -> dict[str, Any]:
    data = output.get("data")
    return data if isinstance(data, dict) else {}


def _short(data: dict[str, Any]) -> str:
    return _joined(data["text/plain"])[:500] if "text/plain" in data else ", ".join(sorted(map(str, data)))


def _bundles(context: _Context, where: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    for mime in {**old, **new}:
        at = f"{where} {mime}"
        if mime not in new:
            context.differs(at, _joined(old[mime])[:500], "", "missing")
        elif mime not in old:
            context.differs(at, "", _joined(new[mime])[:500], "extra")
        elif mime.startswith(WIDGETS):
            continue
        elif mime in IMAGES:
            sentence = pictures.differ(_joined(old[mime]), _joined(new[mime]))
            if sentence:
                context.differs(at, "", sentence, "image")
            elif "".join(_joined(old[mime]).split()) != "".join(_joined(new[mime]).split()):
                context.removed["picture", "bytes of a picture that looks the same"] = 1
        elif mime == "application/json" or mime.endswith("+json"):
            _json(context, at, old[mime], new[mime])
        else:
            one, other = _joined(old[mime]), _joined(new[mime])
            markup = mime in MARKUP
            context.text(at, one if markup else fold(one), other if markup else fold(other), markup=markup)


def _json(  # noqa: PLR0917 - a recursion
    context: _Context, where: str, old: Any, new: Any, key: str = "", depth: int = 0
) -> None:
    """Compare by structure; a number is a text `key: number`, so that the rules see what it is."""
    if isinstance(old, dict) and isinstance(new, dict) and depth < DEEPEST:
        for name in {**old, **new}:
            at = f"{where}.{name}"
            if name in old and name in new:
                _json(context, at, old[name], new[name], str(name), depth + 1)
            elif name in old:
                context.differs(at, _json_text(old[name])[:500], "", "missing")
            else:
                context.differs(at, "", _json_text(new[name])[:500], "extra")
    elif isinstance(old, list) and isinstance(new, list) and depth < DEEPEST:
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            _json(context, f"{where}[{number}]", one, other, key, depth + 1)
        if len(old) != len(new):
            kind = "missing" if len(old) > len(new) else "extra"
            context.differs(where, f"{len(old)} items", f"{len(new)} items", kind)
    elif isinstance(old, str) and isinstance(new, str):
        context.text(where, old, new)
    elif type(old) is not type(new) or _json_text(old) != _json_text(new):
        context.text(where, f'"{key}": {_json_text(old)}', f'"{key}": {_json_text(new)}')


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except RecursionError:
        return repr(type(value))
