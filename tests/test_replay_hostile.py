"""Files that mean harm, or are broken, are refused in one sentence; nothing of them is executed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
import zlib
from base64 import b64encode

import pytest
from episode_helpers import create, small_turns, write
from hypothesis import given
from hypothesis import strategies as st
from replay_helpers import changed, notebook, printed, save

from codeact_kernel.episode.cells import mark_of
from codeact_kernel.errors import EpisodeError
from codeact_kernel.replay import loading
from codeact_kernel.replay.picture_size import pixels
from codeact_kernel.replay.plan import EditedError
from codeact_kernel.replay.runner import Options, replay_file

BOOM = "open('executed', 'w').close()"


def honest(*outputs):
    return notebook((BOOM, [*outputs]))


def shown(mime, value):
    return {"output_type": "display_data", "data": {mime: value}, "metadata": {}}


def png(width, height):
    """Return a small PNG that says it is large: its pixels would take gigabytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    bomb = chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000))
    return b64encode(b"\x89PNG\r\n\x1a\n" + head + bomb + chunk(b"IEND", b"")).decode()


def jpeg(width, height):
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b64encode(b"\xff\xd8" + b"\xff\xe0" + struct.pack(">H", 16) + bytes(14) + frame).decode()


def gif(width, height):
    return b64encode(b"GIF89a" + struct.pack("<HH", width, height) + bytes(20)).decode()


def deep(levels):
    return b'{"nbformat": 4, "metadata": {"a": ' + b"[" * levels + b"]" * levels + b'}, "cells": []}'


def text(made):
    return json.dumps(made).encode()


def cell(**changes):
    return changed(honest(), lambda made: made["cells"][0].update(changes))


def output(**changes):
    return cell(outputs=[{"output_type": "stream", "name": "stdout", "text": "x"} | changes])


def header(**changes):
    known = {"schema": "codeact-episode", "version": "1.0", "episode": "E", "status": "done", "digest": None}
    return changed(honest(), lambda made: made["metadata"].update(codeact=known | changes))


HOSTILE = {
    "nothing": b"",
    "no JSON": b"PK\x03\x04 this is a zip",
    "cut off": text(honest())[:-20],
    "not UTF-8": text(honest()).replace(b"executed", b"ex\xff\xfecuted"),
    "very deep JSON": deep(200_000),
    "deep JSON": deep(500),
    "deep output": text(cell(outputs=[shown("application/json", json.loads("[" * 300 + "]" * 300))])),
    "NaN": text(honest()).replace(b'"nbformat": 4', b'"x": NaN, "nbformat": 4'),
    "Infinity": text(honest()).replace(b'"nbformat": 4', b'"x": [-Infinity], "nbformat": 4'),
    "a number of a million digits": text(honest()).replace(b'"nbformat": 4', b'"x": ' + b"9" * 1_000_000 + b', "nbformat": 4'),
    "a list": b"[1, 2]",
    "an old format": text(honest() | {"nbformat": 3}),
    "a format that is text": text(honest() | {"nbformat": "4"}),
    "cells that are an object": text(honest() | {"cells": {"0": {}}}),
    "metadata that is a list": text(honest() | {"metadata": []}),
    "a cell that is a number": text(honest() | {"cells": [7]}),
    "a cell of an unknown kind": text(cell(cell_type="heading")),
    "a source that is a number": text(cell(source=5)),
    "a source that holds lists": text(cell(source=["x = 1\n", ["y"]])),
    "a huge cell": text(cell(source="x = 1\n" * 400_000)),
    "very many cells": text(honest() | {"cells": honest()["cells"] * 20_000}),
    "a NUL in a source": text(cell(source="x = 1\0")),
    "half a character in a source": b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, '
    b'"outputs": [], "source": "x = \'\\ud800\'"}]}',
    "outputs that are a text": text(cell(outputs="none")),
    "an output of an unknown kind": text(output(output_type="pyout")),
    "a stream that is an object": text(output(text={"a": 1})),
    "a stream of another name": text(output(name="../stdout")),
    "huge outputs": text(cell(outputs=[printed("x" * 1_000_000)] * 70)),
    "very many outputs": text(cell(outputs=[printed("x")] * 20_000)),
    "a traceback that is a number": text(cell(outputs=[{"output_type": "error", "ename": "E", "evalue": "", "traceback": 1}])),
    "an HTML that is a number": text(cell(outputs=[shown("text/html", 3)])),
    "a script in an HTML output": text(cell(outputs=[shown("text/html", "<b>x</b><ScRipt>alert(1)</script>")])),
    "a script in lines": text(cell(outputs=[shown("text/html", ["<scr", "ipt>alert(1)</script>"])])),
    "a handler in an HTML output": text(cell(outputs=[shown("text/html", '<img src=x onerror="alert(1)">')])),
    "a script in an SVG": text(cell(outputs=[shown("image/svg+xml", "<svg onload=alert(1)></svg>")])),
    "entities in an SVG": text(cell(outputs=[shown("image/svg+xml", '<!DOCTYPE s [<!ENTITY a "b">]><svg>&a;</svg>')])),
    "a script in Markdown": text(cell(outputs=[shown("text/markdown", "[x](javascript:alert(1))")])),
    "an output of JavaScript": text(cell(outputs=[shown("application/javascript", "alert(1)")])),
    "a frame": text(cell(outputs=[shown("text/html", "<iframe src='//evil'></iframe>")])),
    "a PNG bomb": text(cell(outputs=[shown("image/png", png(60_000, 60_000))])),
    "a PNG bomb in lines": text(cell(outputs=[shown("image/png", [png(60_000, 60_000)[:50] + "\n", png(60_000, 60_000)[50:]])])),
    "a JPEG bomb": text(cell(outputs=[shown("image/jpeg", jpeg(65_000, 65_000))])),
    "a GIF bomb": text(cell(outputs=[shown("image/gif", gif(65_535, 65_535))])),
    "tags that are numbers": text(cell(metadata={"tags": [1, 2]})),
    "a mark that is a list": text(cell(metadata={"codeact": []})),
    "a record that is a text": text(cell(metadata={"codeact": {"kind": "action", "position": 0, "record": "x"}})),
    "a record with a wrong part": text(cell(metadata={"codeact": {"kind": "action", "record": {"timing": [1]}}})),
    "stdin that is no text": text(cell(metadata={"codeact": {"kind": "action", "record": {"stdin": [{"answer": 1}]}}})),
    "a kernel that is a path": text(honest() | {"metadata": {"kernelspec": {"name": "../../bin/sh"}}}),
    "a kernel that is a list": text(honest() | {"metadata": {"kernelspec": ["python3"]}}),
    "a header with a wrong kernel": text(header(kernel="python3")),
    "a header with wrong packages": text(header(packages=[1])),
    "a header with wrong files": text(header(files={"x": 5})),
    "a newer version": text(header(version="9.0")),
    "a version that is none": text(header(version="x.y")),
    "an episode without its records": text(header(digest="0" * 64)),
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_in_one_sentence_and_nothing_runs(data, tmp_path):
    path = tmp_path / "hostile.ipynb"
    path.write_bytes(data)
    began = time.monotonic()
    with pytest.raises(EpisodeError) as caught:
        asyncio.run(replay_file(path))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert time.monotonic() - began < 20
    assert sorted(found.name for found in tmp_path.iterdir()) == ["hostile.ipynb"]
    assert path.read_bytes() == data


def test_files_that_are_none_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "gone.ipynb"):
        with pytest.raises(EpisodeError, match="cannot be read"):
            asyncio.run(replay_file(path))


@pytest.fixture
def whole(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    return json.loads(writer.path.read_bytes())


def _edit_source(made):
    made["cells"][3]["source"] = [BOOM]


def _edit_record(made):
    record = next(mark_of(cell)["record"] for cell in made["cells"] if mark_of(cell).get("kind") == "action")
    record["code"] = BOOM


def _cut(made):
    del made["cells"][-1]


def _delete(made):
    del made["cells"][2:4]


def _move(made):
    made["cells"][3], made["cells"][5] = made["cells"][5], made["cells"][3]


@pytest.mark.parametrize("change", [_edit_source, _edit_record, _cut, _delete, _move])
def test_an_edited_cut_or_reordered_episode_is_said_to_be_one_and_not_replayed(whole, change, tmp_path):
    path = save(tmp_path / "changed.ipynb", changed(whole, change))
    with pytest.raises(EditedError, match="was changed since it was recorded") as caught:
        asyncio.run(replay_file(path))
    assert caught.value.problems
    assert "--anyway" in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_pictures_and_markup_of_every_day_pass():
    for honest_output in (
        shown(
            "text/html", "<style scoped>td {color: red}</style><table border=1><td>on time = 3 &lt; 5</td></table>"
        ),
        shown("text/html", "a < b and online = 7, x > y"),
        shown("image/svg+xml", "<svg><path d='M 0 0'/></svg>"),
        shown("image/png", png(640, 480)),
        shown("text/latex", "$x < y, \\onto = 3$"),
        printed("<script>alert(1)</script> javascript:x"),
    ):
        loading.check(cell(outputs=[honest_output]), "it")


def test_a_script_passes_with_trust_and_is_not_in_the_report(tmp_path):
    made = cell(outputs=[shown("text/html", "<script>alert(1)</script>")])
    assert loading.check(made, "it", trust=True) is made


@pytest.mark.parametrize("picture", [png, jpeg, gif])
def test_the_size_of_a_picture_is_read_from_its_beginning(picture):
    assert pixels(picture(640, 480)) == 640 * 480


@given(st.binary(max_size=60))
def test_no_bytes_trip_the_reading_of_sizes(data):
    for start in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8",
        b"GIF89a",
        b"RIFF0000WEBPVP8 ",
        b"RIFF0000WEBPVP8X",
        b"BM",
    ):
        pixels(b64encode(start + data).decode())
    pixels(data.decode("latin-1"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "cells",
                        "metadata",
                        "nbformat",
                        "codeact",
                        "schema",
                        "outputs",
                        "source",
                        "data",
                        "record",
                        "cell_type",
                        "output_type",
                        "tags",
                        "kernel",
                        "files",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_taken_or_refused(value):  # fmt: skip
    made = {"nbformat": 4, "metadata": {}, "cells": [], **(value if isinstance(value, dict) else {"cells": value})}
    with contextlib.suppress(EpisodeError):
        assert loading.check(made, "it") is made


def test_options_that_cannot_be_used_are_refused():
    for wrong in ({"policy": "lax"}, {"rtol": -1.0}, {"rtol": float("nan")}, {"most_seconds": 0.0}):
        with pytest.raises(Exception, match=r"\."):
            Options(**wrong)
