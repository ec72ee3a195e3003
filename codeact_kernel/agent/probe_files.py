"""The working folder: its files, and how the first data files begin. Standard library only, see probe.py."""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import time
from itertools import islice, zip_longest
from pathlib import Path
from urllib.parse import quote

from codeact_kernel.secret_names import is_secret_file

MOST_FILES, MOST_HEADS = 40, 6
DATA = re.compile(
    r"\.(csv|tsv|parquet|feather|arrow|jsonl?|xlsx?|ods|db|sqlite3?|txt|ipynb|np[yz]|pkl|h5|hdf5|xml|html?|ya?ml|log"
    r"|geojson|gz|zip|md)$",
    re.IGNORECASE,
)
TEXT = re.compile(r"\.(csv|tsv|txt|jsonl?|log)$", re.IGNORECASE)
SQLITE = re.compile(r"\.(db|sqlite3?)$", re.IGNORECASE)
EPISODE = re.compile(r"\d{8}-\d{6}-.*\.(ipynb|jsonl)$")
"""How our own records are named: they say nothing of the user's data, and change with every step."""
EPISODES = "episodes"
"""The folder of our own records."""
JOURNAL_START = b'{"event": "open", "at": "'
"""How a journal of ours begins (episode/journal.py); the user's own `.jsonl` beside a notebook does not."""
HEAD_BYTES, HEAD_LINES, HEAD_WIDTH = 2000, 3, 200
VALUE_BYTES, LEAST_ROWS, MOST_VALUES = 64_000, 20, 8


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
    notebooks = {entry.name[:-6] for entry in timely if entry.name.endswith(".ipynb")}
    ours.update(
        entry.name
        for entry in timely
        if entry.name.endswith(".jsonl") and entry.name[:-6] in notebooks and _is_journal(entry.path)
    )
    return [
        entry
        for entry in timely
        if not entry.name.startswith((".", "__")) and entry.name not in ours and not EPISODE.match(entry.name)
    ]


def _is_journal(path: str) -> bool:
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(len(JOURNAL_START)) == JOURNAL_START
    except OSError:
        return False


def list_files(folder: str, deadline: float) -> dict[str, int]:
    """Return {name: bytes} of the folder's files and of data files one folder below; data first."""
    here = _entries(folder, 2000, deadline)
    found = [(not DATA.search(entry.name), "", entry) for entry in here if entry.is_file()]
    folders = [entry for entry in here if entry.name != EPISODES and entry.is_dir(follow_symlinks=False)]
    for below in folders[:20]:
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
    """Return {name: lines} for the first data files: the first lines of a text, the tables of a database.

    What is in a file that is named like a secret is nobody's business.
    """
    heads: dict[str, list[str]] = {}
    for name, size in files.items():
        if len(heads) >= MOST_HEADS or time.perf_counter() > deadline:
            break
        if is_secret_file(name):
            continue
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
    text = data.decode("utf-8-sig", "replace")
    if path.suffix.lower() in (".json", ".geojson"):
        return [" ".join(text.split())[: 2 * HEAD_WIDTH]]
    lines = text.splitlines()
    if len(data) == HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    head = [line[:HEAD_WIDTH] + ("..." if len(line) > HEAD_WIDTH else "") for line in lines[:HEAD_LINES]]
    return head + _values(path) if path.suffix.lower() in (".csv", ".tsv") else head


def _values(path: Path) -> list[str]:
    """Return a line on the columns of a table that take few values: a model that must guess them guesses wrong."""
    with path.open("rb") as file:
        lines = file.read(VALUE_BYTES).decode("utf-8-sig", "replace").splitlines()[:-1]
    rows = list(csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    if len(rows) < LEAST_ROWS:
        return []
    found = []
    for name, *cells in zip_longest(*rows, fillvalue=""):
        values = sorted({cell for cell in cells if cell})
        words = {value.strip().casefold() for value in values}
        if not 2 <= len(words) <= MOST_VALUES or any(word[:1].isdigit() for word in words):
            continue
        if len(words) == len(values):
            found.append(f"{name} is one of {', '.join(values)}"[:HEAD_WIDTH])
        else:
            spelt = ", ".join(map(repr, values[:4]))
            found.append(f"{name} differs in capitals and spaces: {spelt}, ..."[:HEAD_WIDTH])
    return ["values: " + "; ".join(found)[: 2 * HEAD_WIDTH]] if found else []


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
