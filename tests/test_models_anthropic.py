"""The Anthropic client against a loopback server that does everything wrong that servers do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import threading
import time

import pytest
from faultserver import LAST, PING, FaultServer, Reply, ended, event, message, named, piece, refused, started
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import IncompleteReplyError, ModelError, StoppedError
from codeact_kernel.models import anthropic_wire
from codeact_kernel.models.anthropic import WINDOW, AnthropicModel
from codeact_kernel.models.base import complete
from codeact_kernel.types import Image, Message, Sampling

KEY = "sk-ant-canary-0123456789"
ASK = (Message("user", "What is 1 + 1?"),)
TALK = (
    Message("system", "Be brief."),
    Message("user", "one"),
    Message("assistant", "1"),
    Message("user", "two"),
    Message("assistant", "2"),
    Message("user", "three"),
)
PICTURE = Image("image/png", base64.b64encode(b"png").decode(), "0" * 64)


def settings(**changes):
    base = {"retries": 0, "connect_seconds": 2.0, "first_token_seconds": 5.0, "between_tokens_seconds": 5.0}
    return CodeAct(**{**base, **changes})


def ask(server, *, model="claude-test", sampling=None, messages=ASK, stop=None, chunks=None, **changes):
    """Ask once and return the completion; afterwards no task and no connection may be left."""
    if isinstance(model, str):
        model = AnthropicModel(model, base_url=server.url, api_key=KEY, config=settings(**changes))
    seen = chunks if chunks is not None else []

    async def run():
        try:
            return await complete(model, messages, sampling or Sampling(), stop or Stop(), seen.append)
        finally:
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    try:
        return asyncio.run(run())
    finally:
        until = time.monotonic() + 1
        while server.open and time.monotonic() < until:
            time.sleep(0.005)
        assert server.open == 0


def fails(server, kind=ModelError, **options):
    """Ask, expect an error, and return its sentence, which is one line, ends properly and holds no key."""
    with pytest.raises(kind) as caught:
        ask(server, **options)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert KEY not in said
    return said


def test_a_reply_has_text_finish_usage_and_its_thoughts_apart():
    thoughts = [
        named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        piece(type="thinking_delta", thinking="hm "),
        piece(type="thinking_delta", thinking="well"),
        piece(type="signature_delta", signature="c2ln"),
        named("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "x"}),
    ]
    first, *rest = message("two", " = 2").pieces
    with FaultServer([Reply(pieces=(first, *thoughts, *rest))]) as server:
        done = ask(server)
    assert (done.text, done.finish, done.reasoning) == ("two = 2", "stop", "hm well")
    # The whole prompt: 3 evaluated, 7 from the cache, 1 written to it.
    assert (done.usage.input, done.usage.output, done.usage.cached, done.usage.calls) == (11, 4, 7, 1)
    assert done.asked <= done.first_token <= done.answered
    assert server.keys == [KEY]
    assert server.paths == ["/v1/messages"]
    request = server.requests[0]
    assert (request["model"], request["stream"], request["max_tokens"]) == ("claude-test", True, 1024)
    assert "system" not in request


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool"),
    ],
)
def test_stop_reasons_are_mapped(reason, finish):
    with FaultServer([message("x", reason=reason)]) as server:
        assert ask(server).finish == finish


def test_a_stop_sequence_that_is_named_beside_the_usual_end_counts():
    reply = message("x")
    body = b"".join(reply.pieces).replace(b'"end_turn"', b'"end_turn", "stop_sequence": "."')
    with FaultServer([reply.but(pieces=(body,))]) as server:
        assert ask(server).finish == "stop_sequence"


def test_the_stable_prefix_is_marked_for_the_cache_and_stays_the_same():
    with FaultServer([message("x")]) as server:
        ask(server, messages=TALK[:4])
        ask(server, messages=TALK)
        early, late = server.requests
    assert late["system"] == [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert late["system"] == early["system"]
    marks = [turn["content"][-1].pop("cache_control", None) is not None for turn in late["messages"]]
    # Where the earlier request wrote the cache, the later one is marked too; the rest differs in no byte.
    assert marks == [False, False, True, False, True]
    assert early["messages"][-1]["content"][-1].pop("cache_control")
    early["messages"][0]["content"][-1].pop("cache_control")
    assert late["messages"][:3] == early["messages"]


RECORDED = {
    "plain": message("Let me compute.\n", "```python\n1 + 1\n", "```"),
    "unicode": message("größe = \u201c\U0001f600\u201d\n", reason="max_tokens"),
    "windows lines": Reply(
        pieces=tuple(
            part.replace(b"\n", b"\r\n") for part in (started(), PING, piece("ab"), ended("end_turn"), LAST)
        )
    ),
}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("how", ["chunked cut", "close", "chunked clean"])
def test_a_stream_cut_at_any_byte_never_counts(name, how):
    """Every cut of three recorded replies; only `message_stop` with its blank line is the end."""
    body = b"".join(RECORDED[name].pieces)
    framing, _, end = how.partition(" ")
    script = [Reply(pieces=(body[:size],), framing=framing, end=end or "clean") for size in range(len(body) + 1)]
    with FaultServer(script) as server:
        model = AnthropicModel("cut", base_url=server.url, api_key=KEY, config=settings())

        async def run():
            counted = {}
            for size in range(len(body) + 1):
                with contextlib.suppress(IncompleteReplyError):
                    counted[size] = await complete(model, ASK, Sampling(), Stop(), lambda _: None)
            return counted

        counted = asyncio.run(run())
    assert set(counted) == {len(body)}
    assert counted[len(body)].text


def test_an_end_without_a_stop_reason_does_not_count():
    script = [message("x", reason=None), Reply(pieces=(started(), piece("x"))), Reply(), Reply(pieces=(LAST,))]
    for reply in script:
        with FaultServer([reply]) as server:
            fails(server, IncompleteReplyError)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            refused(401, f"invalid x-api-key {KEY}", "authentication_error"),
            "The key in ANTHROPIC_API_KEY was refused",
        ),
        (refused(403, "no", "permission_error"), "(403); set a valid one."),
        (refused(404, "model: claude-test", "not_found_error"), "knows no model 'claude-test'"),
        (Reply(308, headers={"Location": "https://new.example"}), "has moved to https://new.example (308)"),
        (refused(400, "Your credit balance is too low"), "no credit left"),
        (refused(402, "pay", "billing_error"), "no credit left"),
        (refused(400, f"bad {KEY} thing"), "refused the request (400): bad [key] thing."),
        (refused(400, "prompt is too long: 200001 tokens > 200000 maximum"), "longer than claude-test can take"),
        (refused(413, "too large", "request_too_large"), "longer than claude-test can take"),
        (refused(500, "boom", "api_error"), "would not answer (500: boom)"),
        (refused(529, "Overloaded", "overloaded_error"), "would not answer (529: Overloaded)"),
        (Reply(503, (b"<html>sorry</html>",), framing="length"), "(503: <html>sorry</html>)"),
        (Reply(pieces=(b"<html>hello</html>",), headers={"Content-Type": "text/html"}), "answered with text/html"),
        (
            Reply(pieces=(started(), piece("x"), b'event: content_block_delta\ndata: {"type": "cont\n\n')),
            "not JSON",
        ),
        (Reply(pieces=(started(), ended("end_turn"))), "closed the connection before the end"),
        (
            Reply(
                pieces=(
                    started(),
                    piece("x"),
                    named("error", error={"type": "overloaded_error", "message": "a\nb"}),
                )
            ),
            "an error instead of a reply: a b.",
        ),
        (Reply(pieces=(b'event: error\ndata: {"error": "x"}\n\n',)), "an error instead of a reply: x."),
        (Reply(pieces=(started(), piece("x"), ended("refusal"), LAST)), "refused to answer (safety)"),
        (Reply(pieces=(started(), piece("x"), ended("pause_turn"), LAST)), "gave up the reply (pause_turn)"),
        (Reply(pieces=(started(), piece("x")), end="reset"), "broke the connection"),
        (Reply(pieces=(b"data: \xff\n\n",)), "sent bytes that are no event"),
        (Reply(pieces=(event([1]),)), "not an object"),
    ],
)
def test_each_fault_has_one_sentence(reply, words):
    with FaultServer([reply]) as server:
        assert words in fails(server)


def test_a_server_that_is_not_there_is_one_sentence():
    with FaultServer([message("x")]) as server:
        pass
    assert "cannot be reached" in fails(server)


def test_a_reply_that_is_not_streamed_is_read_whole():
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "two"}]
    body = event({"content": parts, "stop_reason": "end_turn", "usage": {"input_tokens": 5, "output_tokens": 2}})[
        6:
    ]
    reply = Reply(pieces=(body,), headers={"Content-Type": "application/json"}, framing="length")
    with FaultServer([reply, reply.but(end="cut")]) as server:
        done = ask(server)
        assert (done.text, done.reasoning, done.usage.input) == ("two", "hm", 5)
        fails(server, IncompleteReplyError)


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        (message("late").but(wait=5), "first_token_seconds"),
        (Reply(end="ping"), "first_token_seconds"),
        (Reply(pieces=(started(), *(x for _ in range(99) for x in (PING, 0.1)))), "first_token_seconds"),
        (Reply(pieces=(started(), piece("x")), end="ping"), "between_tokens_seconds"),
        (Reply(pieces=(started(), piece("x"), ended("end_turn")), end="hang"), "between_tokens_seconds"),
        (Reply(pieces=tuple(x for _ in range(99) for x in (piece("x"), 0.1))), "reply_seconds"),
    ],
)
def test_deadlines_hold_and_pings_are_no_tokens(reply, setting):
    with FaultServer([reply]) as server:
        begun = time.monotonic()
        said = fails(server, first_token_seconds=0.4, between_tokens_seconds=0.4, reply_seconds=1.0)
        assert f"CodeAct.{setting}" in said
        assert time.monotonic() - begun < 2.5


def test_a_rate_limit_is_waited_out_with_a_countdown():
    limited = refused(429, "slow down", "rate_limit_error", **{"Retry-After": "1"})
    chunks = []
    with FaultServer([limited, message("ok")]) as server:
        begun = time.monotonic()
        assert ask(server, retries=2, chunks=chunks).text == "ok"
        assert 0.9 < time.monotonic() - begun < 4
        host = server.url.split("/")[2]
    assert [chunk.notice for chunk in chunks if chunk.notice] == [f"rate limited by {host}; again in 1 s"]


@pytest.mark.parametrize(
    "first",
    [
        refused(529, "Overloaded", "overloaded_error"),
        Reply(pieces=(started(), piece("half a ")), end="cut"),
        Reply(pieces=(started(), piece("half a "), ended("end_turn")), end="cut"),
        Reply(pieces=(started(), piece("half a ")), end="hang"),
        Reply(
            pieces=(
                started(),
                piece("half a "),
                named("error", error={"type": "overloaded_error", "message": "x"}),
            )
        ),
    ],
)
def test_what_may_succeed_later_is_asked_again_and_begins_anew(first):
    chunks = []
    with FaultServer([first, message("whole")]) as server:
        done = ask(server, retries=1, between_tokens_seconds=0.3, chunks=chunks)
        assert done.text == "whole"
        assert len(server.requests) == 2
    assert any(chunk.restart for chunk in chunks)


def test_an_error_event_that_is_about_the_request_is_not_repeated():
    reply = Reply(pieces=(started(), named("error", error={"type": "invalid_request_error", "message": "no"})))
    with FaultServer([reply]) as server:
        fails(server, retries=3)
        assert len(server.requests) == 1


def test_parameters_that_a_server_does_not_take_are_left_out():
    script = [
        refused(400, "`temperature` is deprecated for this model."),
        refused(400, "top_p: Extra inputs are not permitted"),
        refused(400, "stop_sequences: Extra inputs are not permitted"),
        refused(400, "messages.0.content.0.text.cache_control: Extra inputs are not permitted"),
        message("1 + 1\n<en", "d>made up", reason="max_tokens"),
    ]
    with FaultServer(script) as server:
        done = ask(server, sampling=Sampling(stop=("<end>", "\n"), top_p=0.9))
        first, last = server.requests[0], server.requests[-1]
    assert (first["temperature"], first["top_p"], first["stop_sequences"]) == (0.0, 0.9, ["<end>"])
    assert not {"temperature", "top_p", "stop_sequences"} & last.keys()
    assert "cache_control" not in str(last)
    # The stop string still ends the text, here instead of at the server.
    assert (done.text, done.finish) == ("1 + 1", "stop_sequence")


def test_a_parameter_that_the_user_insists_on_is_asked_for_once_more_and_then_told():
    with FaultServer([refused(400, "`temperature` is deprecated for this model.")]) as server:
        assert "`temperature` is deprecated" in fails(server, extra_body={"temperature": 0.5})
        assert len(server.requests) == 2


def test_thinking_has_tokens_of_its_own_and_no_temperature():
    with FaultServer([message("ok")]) as server:
        thinking = {"type": "enabled", "budget_tokens": 2000}
        ask(server, sampling=Sampling(max_tokens=100, top_p=0.9), extra_body={"thinking": thinking})
        request = server.requests[0]
    assert (request["thinking"], request["max_tokens"]) == (thinking, 2100)
    assert not {"temperature", "top_p"} & request.keys()


def test_pictures_go_to_models_that_see_and_are_left_out_when_refused():
    messages = (Message("user", "look", (PICTURE,)),)
    script = [refused(400, "messages.0.content.1.image: not supported"), *[message("ok")] * 3]
    with FaultServer(script) as server:
        model = AnthropicModel("claude-x", base_url=server.url, api_key=KEY, config=settings())
        assert model.sees_images
        ask(server, model=model, messages=messages)
        assert not model.sees_images
        ask(server, model="blind", messages=messages)
        first, second, third = (request["messages"][0]["content"] for request in server.requests)
    source = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
    # The mark is on the last block, so that the picture is in the cached prefix.
    assert first[1] == {"type": "image", "source": source, "cache_control": {"type": "ephemeral"}}
    assert [part["type"] for part in second + third] == ["text", "text"]


@pytest.mark.alone
@pytest.mark.parametrize(
    "reply",
    [
        Reply(end="hang"),
        message("x").but(wait=30),
        Reply(pieces=(started(), piece("x")), end="ping"),
        refused(429, "slow", "rate_limit_error", **{"Retry-After": "30"}),
    ],
    ids=["silent", "no head", "mid-stream", "retry wait"],
)
def test_stop_is_heard_within_half_a_second_and_leaves_nothing(reply):
    before = threading.active_count()
    with FaultServer([reply]) as server:
        stop = Stop()
        times = {}

        def press():
            times["pressed"] = time.monotonic()
            stop.set()

        timer = threading.Timer(0.5, press)
        timer.start()
        with pytest.raises(StoppedError):
            ask(server, stop=stop, retries=3, first_token_seconds=60.0, between_tokens_seconds=60.0)
        assert time.monotonic() - times["pressed"] <= 0.5
        timer.join()
    gc.collect()
    assert threading.active_count() <= before


def test_descriptions_and_representations_hold_no_credentials():
    model = AnthropicModel("claude-x", base_url="https://user:pass@host.example/v1/?k=v", api_key=KEY)
    assert "pass" not in str(model.describe())
    assert KEY not in repr(vars(model))
    assert AnthropicModel("claude-x").describe()["endpoint"] == "https://api.anthropic.com"
    assert (AnthropicModel("claude-x").window, AnthropicModel("local").window) == (WINDOW, None)


@given(st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=8), st.text(max_size=3))
def test_every_text_of_a_request_has_a_visible_character(roles, text):
    messages = [Message(role, text) for role in roles]
    body = anthropic_wire.request_body(
        "m", messages, Sampling(), anthropic_wire.Adaptation(), images=True, extra={}
    )
    parts = [part for turn in body["messages"] for part in turn["content"]] + body.get("system", [])
    assert all(part["text"].strip() for part in parts)
    assert sum("cache_control" in part for part in parts) <= 4
    assert len(body["messages"]) == sum(role != "system" for role in roles)
