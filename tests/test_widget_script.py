"""The widget's script: its pure parts in Node, without a page; and the text that stands for the widget."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel import widget

NODE = shutil.which("node")
DOM = """
class Node { constructor(tag) { this.tag = tag; this.children = []; this.attributes = {}; }
  append(...nodes) { this.children.push(...nodes); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener() {}
  get textContent() { return this.children.map((c) => c.textContent ?? c).join(""); } }
globalThis.document = { createElement: (tag) => new Node(tag) };
const text = (nodes) => nodes.map((node) => node.textContent ?? node).join("");
const { colour, prose, split } = await import(process.argv[1]);
let input = "";
for await (const piece of process.stdin) input += piece;
console.log(JSON.stringify(JSON.parse(input).map((given) => ({
  coloured: text(colour(given)), prose: prose(given).map((node) => node.textContent), split: split(given),
  kinds: colour(given).filter((node) => node.attributes).map((node) => [node.attributes.class, node.textContent]),
}))));
"""


def in_node(tmp_path, texts):
    if NODE is None:
        pytest.skip("there is no Node here")
    module = tmp_path / "widget.mjs"
    module.write_text(widget.script(), "utf-8")
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", DOM, str(module)],
        input=json.dumps(texts).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_colouring_never_changes_the_code_and_knows_python(tmp_path):
    code = 'import os  # all\nx = f\'a{1}\' + """b\n#""" + 3.5e2\n%time y\nvar1 = None'
    (found,) = in_node(tmp_path, [code])
    assert found["coloured"] == code
    assert found["kinds"] == [
        ["cak-keyword", "import"],
        ["cak-comment", "# all"],
        ["cak-string", "f'a{1}'"],
        ["cak-string", '"""b\n#"""'],
        ["cak-number", "3.5e2"],
        ["cak-magic", "%time y"],
        ["cak-keyword", "None"],
    ]


def test_whatever_the_model_writes_stays_whole_as_text(tmp_path_factory):
    pieces = st.sampled_from(
        [
            "'",
            '"',
            '"""',
            "#",
            "\n",
            "\\",
            "`",
            "```",
            "```python\n",
            "**",
            "<img src=x>",
            "def ",
            "%",
            "1.5",
            "é",
            " ",
        ]
    )
    texts = []

    @settings(max_examples=300, database=None, deadline=None)
    @given(st.lists(pieces | st.text(max_size=5), max_size=30).map("".join))
    def gather(text):
        texts.append(text.encode("utf-8", "ignore").decode())

    gather()
    for text, found in zip(texts, in_node(tmp_path_factory.mktemp("js"), texts), strict=True):
        assert found["coloured"] == text
        plain = re.sub(r"[`*\s\ufeff]", "", "".join(found["prose"]))
        assert plain == re.sub(r"[`*\s\ufeff]", "", text)


def test_a_reply_that_is_being_written_is_split_at_its_fence(tmp_path):
    found = in_node(tmp_path, ["I look.\n```python\nx = 1\ny", "I look.\n```py\nx\n```\nrest", "no `code`", "```"])
    assert [one["split"] for one in found] == [
        ["I look.\n", "x = 1\ny"],
        ["I look.\n", "x\n"],
        ["no `code`", None],
        ["", ""],
    ]


def test_the_script_makes_no_html_of_any_text():
    text = widget.script()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|eval\(|DOMParser", text)
    lengths = [Path(widget.__file__).with_name(name).read_text("utf-8").count("\n") for name in widget.SCRIPTS]
    assert max(lengths) <= 400


def test_a_transcript_tells_steps_and_how_it_ended():
    step = {"index": 1, "status": "ok", "thought": "Look.", "code": "x\ny", "summary": "3", "seconds": 1.25}
    run = {"task": "mean", "status": "done", "steps": [step], "answer": "It is 3.", "cause": ""}
    assert widget.transcript(run) == "CodeAct · mean\nstep 1 · ok · 1.2 s\nLook.\n    x\n    y\n  3\nIt is 3."
    failed = run | {"status": "failed", "cause": "No model.", "steps": []}
    assert widget.transcript(failed) == "CodeAct · mean\nfailed: No model."
