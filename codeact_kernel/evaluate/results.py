"""Results on the disk: results.json as they come, results.parquet at the end; and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codeact_kernel.evaluate.ledger import Row

JSON, PARQUET = "results.json", "results.parquet"


def write(out: Path, about: Row, rows: Sequence[Row], *, parquet: bool = False) -> None:
    """Write results.json, and results.parquet if asked for and pyarrow is there; a crash leaves the old files."""
    text = json.dumps({"about": about, "rows": list(rows)}, indent=1, sort_keys=True) + "\n"
    part = out / f"{JSON}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(out / JSON)
    if not parquet or not rows:
        return
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        return
    table = pa.Table.from_pylist([flat(row) for row in rows])
    table = table.replace_schema_metadata({"codeact": json.dumps(about, sort_keys=True)})
    part = out / f"{PARQUET}.part"
    pq.write_table(table, part)
    part.replace(out / PARQUET)


def flat(row: Row) -> Row:
    """Return a row without nesting: scores as columns `score_NAME`, the rest of what is nested as JSON."""
    plain: Row = {}
    for name, value in row.items():
        if name == "scores":
            plain |= {f"score_{score}": float(found) for score, found in value.items()}
        else:
            plain[name] = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
    return plain


def read(folder: Path) -> tuple[Row, list[Row]]:
    """Return what an evaluation is about, and its rows.

    Raises:
        ConfigError: the folder holds none.
    """
    path = folder / JSON
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found["about"], found["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{folder} holds no results of `codeact eval` (no {JSON}); check the path.") from None
