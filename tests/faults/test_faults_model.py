"""Faults of the model's side: endpoints in both wire formats, and replies that are none."""

from __future__ import annotations

import json

import faultserver as fs
import pytest
from faultserver import FaultServer, Reply
from kernel_client import block

CODE = block("open('ran', 'w').close()\nprint('ran')")
PAGE = Reply(200, (b"<html><body>Sign in</body></html>",), {"Content-Type": "text/html"}, "length")
WIRES = {
    "openai": (fs.chat, fs.error, lambda text: fs.delta(content=text), fs.delta, (fs.DONE,)),
    "anthropic": (fs.message, fs.refused, fs.piece, fs.ended, (fs.LAST,)),
}


def faults(wire):
    """Return {name: (replies, status, cause)} of what an endpoint may do wrong."""
    whole, refusal, piece, ended, last = WIRES[wire]
    begin = (fs.started(),) if wire == "anthropic" else (fs.delta(role="assistant", content=""),)
    code = tuple(piece(CODE[at : at + 9]) for at in range(0, len(CODE), 9))
    failure = (
        fs.event({"error": {"message": "the engine died"}})
        if wire == "openai"
        else fs.named("error", error={"type": "overloaded_error", "message": "the engine died"})
    )
    filtered, long = ("content_filter", "length") if wire == "openai" else ("refusal", "max_tokens")
    again = [whole(block("print('and on')")), whole("Done.")]
    return {
        "429 with Retry-After, then fine": (
            [refusal(429, "slow").but(headers={"Retry-After": "0.2"}), *again],
            "done",
            "",
        ),
        "429 for ever": ([refusal(429, "slow")], "failed", "429"),
        "429 that asks for an hour": ([refusal(429, "slow").but(headers={"Retry-After": "3600"})], "failed", ""),
        "500": ([refusal(500, "boom")], "failed", "500"),
        "503, then fine": ([refusal(503, "busy"), *again], "done", ""),
        "529 overloaded": ([refusal(529, "overloaded")], "failed", "529"),
        "401": ([refusal(401, "bad key")], "failed", "KEY was refused"),
        "403": ([refusal(403, "not you")], "failed", ""),
        "404": ([refusal(404, "no such model")], "failed", "gpt-x"),
        "400 context too long": ([refusal(400, "maximum context length is 10 tokens")], "failed", ""),
        "slow first byte": ([whole("late").but(wait=30.0)], "failed", ""),
        "nothing after the head": ([Reply(end="hang")], "failed", ""),
        "keep-alive for ever": ([Reply(end="ping")], "failed", ""),
        "a pause in the middle": ([Reply(pieces=(*begin, *code[:3], 30.0))], "failed", ""),
        "reset in the middle": ([Reply(pieces=(*begin, *code), end="reset")], "failed", "was run"),
        "cut in the middle": ([Reply(pieces=(*begin, *code), end="cut")], "failed", "was run"),
        "clean end without a finish reason": ([Reply(pieces=(*begin, *code))], "failed", "was run"),
        "half JSON": ([Reply(pieces=(*begin, b'data: {"choi'), end="cut")], "failed", "was run"),
        "no JSON": ([Reply(pieces=(b"data: {oops\n\n",))], "failed", ""),
        "error event after 200": ([Reply(pieces=(*begin, *code, failure))], "failed", ""),
        "200 with HTML": ([PAGE], "failed", "text/html"),
        "200 with nothing": ([Reply(pieces=())], "failed", ""),
        "empty choices": ([Reply(pieces=(fs.event({"choices": []}), *last))], "failed", ""),
        "cut off by length": ([Reply(pieces=(*begin, *code[:4], ended(long), *last))], "failed", ""),
        "content filter": ([Reply(pieces=(*begin, ended(filtered), *last))], "failed", ""),
    }


BOTH = (
    "reset in the middle",
    "clean end without a finish reason",
    "error event after 200",
    "401",
    "content filter",
)
"""Faults that are tried in both formats, the others in one of them; --long tries all in both."""


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        pytest.param(
            name,
            wire,
            id=f"{name}-{wire}",
            marks=pytest.mark.long if name not in BOTH and wire != "openai" else (),
        )
        for name in faults("openai")
        for wire in WIRES
    ],
)
def test_endpoint(bench, wire, name):
    replies, status, cause = faults(wire)[name]
    with bench.survives(status={status}, causes=cause), FaultServer(replies) as server:
        if wire == "openai":
            bench.nb.run(f"%config CodeAct.base_url = {server.url!r}")
        else:
            bench.nb.run(f"import os; os.environ['ANTHROPIC_BASE_URL'] = {server.url!r}")
        bench.ask(model=f"{wire}:gpt-x")
    assert "Traceback" not in bench.text
    assert not (bench.nb.folder / "ran").exists()


def test_endpoint_refuses_the_connection(bench):
    with bench.survives(status={"failed"}, causes="cannot be reached"):
        bench.nb.run("%config CodeAct.base_url = 'http://127.0.0.1:9/v1'")
        bench.ask(model="openai:gpt-x")


GOES_ON = {
    "no code, no words": "",
    "white space": " \n\t ",
    "an unclosed fence": "Look.\n```python\nprint('x')",
    "two blocks": f"{block('print(1)')}\nThen:\n{block('print(2)')}",
    "an invented output": f"{block('print(1)')}\nOutput:\n```\n999\n```\nSo it is 999.",
    "code that does not parse": block("print("),
    "NUL": block("print('a\x00b')"),
    "a lone surrogate": json.loads("\"```python\\nprint('\\ud83d')\\n```\""),
    "a line of a megabyte": block("x = '" + "y" * 1_000_000 + "'\nprint(len(x))"),
    "ten thousand lines": block("\n".join(f"x{n} = {n}" for n in range(10_000))),
    "another language": "```bash\nrm -rf x\n```",
    "a fence inside a string": block('text = """\n```\nfence\n```\n"""\nprint(len(text))'),
    "template tokens": f"<|im_end|><|im_start|>system\n{block('print(3)')}",
    "deep nesting": block("x = " + "(" * 300 + ")" * 300),
    "only a thought": "<think>hm</think>",
    "a magic of ours": block("%codeact do it again"),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, id=name, marks=pytest.mark.long if "thousand" in name else ()) for name in GOES_ON],
)
def test_reply(bench, name):
    with bench.survives(status={"done", "failed"}):
        bench.ask(GOES_ON[name], block("print('and on')"), "Done, and on.", "Done.", "Done.")
    assert "Traceback" not in bench.text


def test_the_same_failing_action_again_and_again(bench):
    with bench.survives(status={"failed"}):
        bench.ask(*[block("1 / 0")] * 12)
    assert bench.header["steps"] < 12


def test_replies_without_end_reach_the_limit(bench):
    with bench.survives(status={"limit"}, steps=4):
        bench.ask(*[block(f"print({n})") for n in range(9)], options="--approve auto --max-steps 4")
