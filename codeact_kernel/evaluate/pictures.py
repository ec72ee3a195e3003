"""The pictures of a report: what was solved, in how many turns, and why not."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.arms import counts_table
from codeact_kernel.evaluate.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.evaluate.arms import Arm

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Paul Tol's bright scheme: told apart also by readers who are colour-blind."""


def pictures(arms: Sequence[Arm]) -> dict[str, bytes]:
    """Return pictures by name, as PNG: the same bytes for the same rows.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise ConfigError("The report's pictures need matplotlib: pip install 'codeact-kernel[eval]'.") from None
    arms = [arm for arm in arms if arm.rows]
    if not arms:
        return {}
    drawn = {}
    for name, draw in (("solved", _solved), ("turns", _turns), ("failures", _failures)):
        figure = Figure(figsize=(8, 1.2 + 0.45 * max(3, len(arms))), layout="constrained")
        if draw(figure.subplots(), arms):
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
            drawn[name] = file.getvalue()
    return drawn


def _solved(axes: Any, arms: Sequence[Arm]) -> bool:
    scores = list(dict.fromkeys(name for arm in arms for name in arm.scores))
    height = 0.8 / len(scores)
    for number, score in enumerate(scores):
        for at, arm in enumerate(arms):
            if score not in arm.scores:
                continue
            count = arm.count
            share, (low, high) = arm.won(score) / count, wilson(arm.won(score), count)
            place = at + (number - (len(scores) - 1) / 2) * height
            axes.barh(place, share, height, color=COLOURS[number % 7], label=score if at == 0 else None)
            axes.errorbar(share, place, xerr=[[share - low], [high - share]], color="black", capsize=2, lw=1)
    axes.set(xlim=(0, 1), xlabel="share of tasks solved, with 95 % Wilson interval")
    _named(axes, arms)
    axes.legend(loc="lower right")
    return True


def _turns(axes: Any, arms: Sequence[Arm]) -> bool:
    axes.boxplot(
        [[row["turns"] for row in arm.rows] for arm in arms],
        orientation="horizontal",
        positions=range(len(arms)),
        showmeans=True,
        medianprops={"color": COLOURS[0]},
        meanprops={"markerfacecolor": COLOURS[1], "markeredgecolor": COLOURS[1]},
    )
    axes.set_xlabel("turns a task (line: median, triangle: mean)")
    _named(axes, arms)
    return True


def _failures(axes: Any, arms: Sequence[Arm]) -> bool:
    table = counts_table(arms, "failure")[1:]
    left = [0] * len(arms)
    for number, (name, *counts) in enumerate(table):
        widths = [int(count) for count in counts]
        axes.barh(range(len(arms)), widths, left=left, color=COLOURS[number % 7], label=name)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    if table:
        axes.set_xlabel("tasks that failed, by class")
        _named(axes, arms)
        axes.legend(loc="best")
    return bool(table)


def _named(axes: Any, arms: Sequence[Arm]) -> None:
    axes.set_yticks(range(len(arms)), [arm.name for arm in arms])
    axes.invert_yaxis()
