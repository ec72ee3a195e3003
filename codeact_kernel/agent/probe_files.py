"""The working folder: its files, and how the first data files begin. Standard library only, see probe.py."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from itertools import islice
from pathlib import Path
from urllib.parse import quote

MOST_FILES, MOST_HEADS = 40, 6
DATA = re.compile(
    r"\.(csv|tsv|parquet|feather|arrow|jsonl?|xlsx?|ods|db|sqlite3?|txt|ipynb|np[yz]|pkl|h5|hdf5|xml|html?|ya?ml|log"
    r"|geojson|gz|zip|md)$",
    re.IGNORECASE,
)
TEXT = re.compile(r"\.(csv|tsv|txt|jsonl?|log|ya?ml|xml)$", re.IGNORECASE)
SQLITE = re.compile(r"\.(db|sqlite3?)$", re.IGNORECASE)
EPISODE = re.compile(r"\d{8}-\d{6}-.*\.(ipynb|jsonl)$")
"""How our own records are named: they say nothing of the user's data, and change with every step."""
HEAD_BYTES, HEAD_LINES, HEAD_WIDTH = 2000, 3, 200


def _entries(folder: str, most: int, deadline: float) -> list[os.DirEntry[str]]:
    """Return the visible entries of a folder less our own records; none when it cannot be read."""
    try:
        with os.scandir(folder) as found:
            timely = [entry for entry in islice(found, most) if time.perf_counter() < deadline]
    except OSError:
        return []
    # An episode that is being written, wherever the user put it, has its lock beside it: `.<stem>.lock`.
    locked = {entry.name[1:-5] for entry in timely if entry.name.startswith(".") and entry.name.endswith(".lock")}
    ours = {stem + ending for stem in locked for ending in (".ipynb", ".jsonl")}
    return [
        entry
        for entry in timely
        if not entry.name.startswith((".", "__")) and entry.name not in ours and not EPISODE.match(entry.name)
    ]


def list_files(folder: str, deadline: float) -> dict[str, int]:
    """Return {name: bytes} of the folder's files and of data files one folder below; data first."""
    here = _entries(folder, 2000, deadline)
    found = [(not DATA.search(entry.name), "", entry) for entry in here if entry.is_file()]
    for below in [entry for entry in here if entry.is_dir(follow_symlinks=False)][:20]:
        inner = [entry for entry in _entries(below.path, 200, deadline) if DATA.search(entry.name)]
        found += [(False, below.name + "/", entry) for entry in inner if entry.is_file()]
    found.sort(key=lambda item: (item[0], item[1], item[2].name))
    sizes: dict[str, int] = {}
    for _, where, entry in found[:MOST_FILES]:
        try:
            sizes[where + entry.name] = entry.stat().st_size
        except OSError:
            continue
    return sizes


def heads_of(folder: str, files: dict[str, int], deadline: float) -> dict[str, list[str]]:
    """Return {name: lines} for the first data files: the first lines of a text, the tables of a database."""
    heads: dict[str, list[str]] = {}
    for name, size in files.items():
        if len(heads) >= MOST_HEADS or time.perf_counter() > deadline:
            break
        path = Path(folder) / name
        try:
            if TEXT.search(name):
                lines = _text_head(path)
            elif SQLITE.search(name) and size:
                lines = _tables(path)
            else:
                continue
        except (OSError, sqlite3.Error, ValueError):
            continue
        if lines:
            heads[name] = lines
    return heads


def _text_head(path: Path) -> list[str]:
    # A pipe or a device would block or never end.
    if not path.is_file():
        return []
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    if b"\0" in data:
        return []
    lines = data.decode("utf-8-sig", "replace").splitlines()
    if len(data) == HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    return [line[:HEAD_WIDTH] + ("..." if len(line) > HEAD_WIDTH else "") for line in lines[:HEAD_LINES]]


def _tables(path: Path) -> list[str]:
    """Return `table orders(id, town, total)` for each table, read without locking or writing."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, timeout=0)
    try:
        names = [
            row[0] for row in connection.execute("select name from sqlite_master where type = 'table' limit 8")
        ]
        lines = []
        for name in names:
            columns = [row[0] for row in connection.execute("select name from pragma_table_info(?)", (name,))]
            lines.append(f"table {name}({', '.join(columns)})"[:HEAD_WIDTH])
        return lines
    finally:
        connection.close()
