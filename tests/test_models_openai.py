"""The OpenAI client against a loopback server that does everything wrong that servers do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import re
import threading
import time

import pytest
from faultserver import DONE, USAGE, FaultServer, Reply, chat, delta, error, event
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import IncompleteReplyError, ModelError, StoppedError
from codeact_kernel.models import openai, wire
from codeact_kernel.models.base import complete
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.models.sse import Decoder
from codeact_kernel.types import Image, Message, Sampling

KEY = "sk-canary-0123456789"
ASK = (Message("user", "What is 1 + 1?"),)


def settings(**changes):
    base = {"retries": 0, "connect_seconds": 2.0, "first_token_seconds": 5.0, "between_tokens_seconds": 5.0}
    return CodeAct(**{**base, **changes})


def ask(server, *, model="test-model", sampling=None, messages=ASK, stop=None, chunks=None, key=KEY, **changes):
    """Ask once and return the completion; afterwards no task and no connection may be left."""
    model = OpenAIModel(model, base_url=server.url, api_key=key, config=settings(**changes))
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


def test_the_time_that_our_own_imports_take_is_not_the_servers(monkeypatch):
    at_once = openai._load_sdk

    async def slowly():
        await asyncio.sleep(0.5)
        return await at_once()

    asyncio.run(at_once())
    monkeypatch.setattr(openai, "_load_sdk", slowly)
    with FaultServer([chat("2")]) as server:
        assert ask(server, first_token_seconds=0.4).text == "2"


def test_a_reply_has_text_finish_usage_and_reasoning():
    thinking = [delta(reasoning_content="hm "), delta(reasoning="well")]
    whole = chat("two", " = 2")
    with FaultServer([whole.but(pieces=(*thinking, *whole.pieces))]) as server:
        done = ask(server)
    assert (done.text, done.finish, done.reasoning) == ("two = 2", "stop", "hm well")
    assert (done.usage.input, done.usage.output, done.usage.cached, done.usage.calls) == (11, 3, 7, 1)
    assert done.asked <= done.first_token <= done.answered
    assert server.requests[0]["messages"] == [{"role": "user", "content": "What is 1 + 1?"}]
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert server.keys == [f"bearer {KEY}"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "tool"), ("stop_sequence", "stop_sequence")],
)
def test_finish_reasons_are_mapped(reason, finish):
    with FaultServer([chat("x", finish=reason)]) as server:
        assert ask(server).finish == finish


RECORDED = {
    "plain": chat("Let me compute.\n", "```python\n1 + 1\n", "```"),
    "unicode": chat("größe = \u201c\U0001f600\u201d\n", finish="length"),
    "windows lines": Reply(
        pieces=tuple(
            piece.replace(b"\n", b"\r\n")
            for piece in (b": ping\n\n", delta(content="a\r\nb"), delta("stop"), USAGE, DONE)
        )
    ),
}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("how", ["chunked cut", "close", "chunked clean"])
def test_a_stream_cut_at_any_byte_never_counts(name, how):
    """Every cut of three recorded replies: dropped connection, connection as end of body, clean early end."""
    body = b"".join(RECORDED[name].pieces)
    framing, _, end = how.partition(" ")
    script = [Reply(pieces=(body[:size],), framing=framing, end=end or "clean") for size in range(len(body) + 1)]
    whole_at = body.index(b"[DONE]") + len(b"[DONE]\r\n" if b"\r\n" in body else b"[DONE]\n")
    # With a length marked by the transport, a finish reason and a clean end between two events are an end as well.
    proper = {match.end() for match in re.finditer(rb"\r?\n\r?\n", body)}
    finish_at = re.search(rb'"finish_reason": "\w+"', body).end()
    complete_text = None
    with FaultServer(script) as server:
        model = OpenAIModel("cut", base_url=server.url, api_key=KEY, config=settings())

        async def once():
            return await complete(model, ASK, Sampling(), Stop(), lambda _: None)

        async def run():
            counted = {}
            for size in range(len(body) + 1):
                with contextlib.suppress(IncompleteReplyError):
                    counted[size] = await once()
            return counted

        counted = asyncio.run(run())
    expected = set(range(whole_at, len(body) + 1))
    if how == "chunked clean":
        expected |= {size for size in proper if size > finish_at}
    assert set(counted) == expected
    complete_text = counted[len(body)].text
    assert all(done.text == complete_text for done in counted.values())
    assert all(done.finish == counted[len(body)].finish for done in counted.values())


def test_a_clean_end_without_a_finish_reason_does_not_count():
    for script in (chat("x", finish=None), Reply(pieces=(delta(content="x"),)), Reply()):
        with FaultServer([script]) as server:
            fails(server, IncompleteReplyError)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), "The key in OPENAI_API_KEY was refused by http://"),
        (error(403, "no"), "(403); set a valid one."),
        (error(404, "no such model"), "knows no model 'test-model'"),
        (Reply(308, headers={"Location": "https://new.example/v1"}), "has moved to https://new.example/v1 (308)"),
        (error(429, "quota", code="insufficient_quota"), "no quota left"),
        (error(400, f"bad {KEY} thing"), "refused the request (400): bad [key] thing."),
        (error(400, "This model's maximum context length is 8 tokens"), "longer than test-model can take"),
        (error(500, "boom"), "would not answer (500: boom)"),
        (Reply(pieces=(b"<html>hello</html>",), headers={"Content-Type": "text/html"}), "answered with text/html"),
        (Reply(pieces=(delta(content="x"), b'data: {"choices": [{"del\n\n')), "not JSON"),
        (Reply(pieces=(event({"choices": []}), DONE)), "without any choices"),
        (
            Reply(pieces=(delta(content="x"), event({"error": {"message": "boom\nbang"}}))),
            "an error instead of a reply: boom bang.",
        ),
        (Reply(pieces=(b'event: error\ndata: {"error": "x"}\n\n',)), "an error instead of a reply: x."),
        (Reply(pieces=(delta(content="x"), delta("content_filter"), DONE)), "content filter"),
        (Reply(pieces=(delta(content="x"), delta("abort"), DONE)), "gave up the reply (abort)"),
        (Reply(pieces=(delta(content="x"),), end="reset"), "broke the connection"),
        (Reply(pieces=(b"data: \xff\n\n",)), "sent bytes that are no event"),
        (Reply(pieces=(event([1]),)), "not an object"),
    ],
)
def test_each_fault_has_one_sentence(reply, words):
    with FaultServer([reply]) as server:
        assert words in fails(server)


def test_a_server_that_asks_for_a_key_is_named_with_the_variable():
    with FaultServer([error(401, "who are you")]) as server:
        assert fails(server, key="").endswith("asks for a key (401); set OPENAI_API_KEY.")


def test_a_refused_connection_is_one_sentence():
    with FaultServer([chat("x")]) as server:
        url = server.url
    model = OpenAIModel("m", base_url=url, config=settings())
    with pytest.raises(ModelError, match=r"cannot be reached \(.*\); check the URL"):
        asyncio.run(complete(model, ASK, Sampling(), Stop(), lambda _: None))


def test_a_reply_that_is_not_streamed_is_read_whole():
    body = event({"choices": [{"message": {"content": "two"}, "finish_reason": "stop"}]})[6:]
    reply = Reply(pieces=(body,), headers={"Content-Type": "application/json"}, framing="length")
    with FaultServer([reply, reply.but(end="cut")]) as server:
        assert ask(server).text == "two"
        fails(server, IncompleteReplyError)


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        (chat("late").but(wait=5), "first_token_seconds"),
        (Reply(end="ping"), "first_token_seconds"),
        (Reply(pieces=(delta(content="x"),), end="ping"), "between_tokens_seconds"),
        (Reply(pieces=(delta(content="x"), delta("stop")), end="hang"), "between_tokens_seconds"),
        (Reply(pieces=tuple(x for _ in range(99) for x in (delta(content="x"), 0.1))), "reply_seconds"),
    ],
)
def test_deadlines_hold_and_comments_are_no_tokens(reply, setting):
    with FaultServer([reply]) as server:
        begun = time.monotonic()
        said = fails(server, first_token_seconds=0.4, between_tokens_seconds=0.4, reply_seconds=1.0)
        assert f"CodeAct.{setting}" in said
        assert time.monotonic() - begun < 2.5


def test_a_rate_limit_is_waited_out_with_a_countdown():
    limited = error(429, "slow down").but(headers={"Retry-After": "2", "Content-Type": "application/json"})
    chunks = []
    with FaultServer([limited, chat("ok")]) as server:
        begun = time.monotonic()
        assert ask(server, retries=2, chunks=chunks).text == "ok"
        assert 1.9 < time.monotonic() - begun < 4
        host = server.url.split("/")[2]
    notices = [chunk.notice for chunk in chunks if chunk.notice]
    assert notices == [f"rate limited by {host}; again in 2 s", f"rate limited by {host}; again in 1 s"]


def test_a_longer_wait_than_a_reply_may_take_is_refused():
    with FaultServer([error(429, "x").but(headers={"retry-after": "90"})]) as server:
        assert "asks to wait 90 s" in fails(server, retries=3, reply_seconds=30.0)


@pytest.mark.parametrize(
    "first",
    [
        error(503, "busy"),
        Reply(pieces=(delta(content="half a "),), end="cut"),
        Reply(pieces=(delta(content="half a "), delta("stop")), end="cut"),
        Reply(pieces=(delta(content="half a "),), end="hang"),
        Reply(pieces=(delta(content="half a "), event({"error": {"message": "overloaded"}}))),
    ],
)
def test_what_may_succeed_later_is_asked_again_and_begins_anew(first):
    chunks = []
    with FaultServer([first, chat("whole")]) as server:
        done = ask(server, retries=1, between_tokens_seconds=0.3, chunks=chunks)
        assert done.text == "whole"
        assert len(server.requests) == 2
    assert any(chunk.restart for chunk in chunks)


def test_tries_are_counted_and_end():
    with FaultServer([error(500, "boom")]) as server:
        assert "(asked 3 times)." in fails(server, retries=2)
        assert len(server.requests) == 3


def test_refusals_of_the_request_itself_are_not_repeated():
    with FaultServer([error(401, "no")]) as server:
        fails(server, retries=3)
        assert len(server.requests) == 1


def test_parameters_that_a_server_does_not_take_are_left_out():
    script = [
        error(400, "Unknown field: stream_options"),
        error(400, "Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens'", param="max_tokens"),
        error(400, "Unsupported value: 'temperature' does not support 0", param="temperature"),
        error(422, "extra field 'stop' not permitted"),
        chat("1 + 1\n<en", "d>made up", finish="length"),
    ]
    with FaultServer(script) as server:
        done = ask(server, sampling=Sampling(stop=("<end>",), max_tokens=50))
        last = server.requests[-1]
    assert last["max_completion_tokens"] == 50
    assert not {"stream_options", "max_tokens", "temperature", "stop"} & last.keys()
    # The stop string still ends the text, here instead of at the server.
    assert (done.text, done.finish) == ("1 + 1\n", "stop_sequence")


def test_pictures_go_to_models_that_see_and_are_left_out_when_refused():
    picture = Image("image/png", base64.b64encode(b"png").decode(), "0" * 64)
    messages = (Message("user", "look", (picture,)),)
    with FaultServer([error(400, "image input is not supported"), chat("ok"), chat("ok")]) as server:
        ask(server, model="gpt-4o", messages=messages)
        ask(server, model="blind", messages=messages)
        first, second, third = (request["messages"][0]["content"] for request in server.requests)
    assert first[1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}}
    assert second == third == "look"


def test_thoughts_in_the_reply_itself_are_kept_apart():
    inline = chat("<thi", "nk>hm\n```python\n1 / 0\n```</th", "ink>\n\nIt is 2.")
    typed = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "It is 2."},
    ]
    with FaultServer(
        [inline, Reply(pieces=(delta(content=typed), delta("stop"), DONE)), chat("<think>cut")]
    ) as server:
        assert (ask(server).text, ask(server).reasoning) == ("It is 2.", "hm")
        cut = ask(server)
        assert (cut.text, cut.reasoning) == ("", "cut")


def test_extra_fields_reach_the_server():
    with FaultServer([chat("ok")]) as server:
        ask(server, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
        assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.alone
@pytest.mark.parametrize(
    "reply",
    [
        Reply(end="hang"),
        chat("x").but(wait=30),
        Reply(pieces=(delta(content="x"),), end="ping"),
        error(429, "slow").but(headers={"Retry-After": "30"}),
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
    model = OpenAIModel("m", base_url="https://user:pass@host.example/v1?k=v", api_key=KEY)
    assert model.describe() == {"id": "m", "backend": "openai", "endpoint": "https://host.example/v1"}
    assert KEY not in repr(vars(model))


@given(
    st.lists(st.text(alphabet="ab<e>\n", max_size=8), max_size=8),
    st.lists(st.text("ab<e", min_size=1), max_size=2),
)
def test_a_stop_filter_ends_the_text_at_the_first_stop_string(texts, stops):
    guard = wire.StopFilter(stops)
    got = "".join(guard.feed(text) for text in texts) + guard.flush()
    whole = "".join(texts)
    first = min((at for stop in stops if (at := whole.find(stop)) >= 0), default=len(whole))
    assert whole[:first].startswith(got) or got == whole[:first]
    assert got == whole[:first] or guard.matched


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), max_size=5), st.data()
)
def test_events_do_not_depend_on_how_the_bytes_were_cut(datas, data):
    body = b"".join(b": note\n\ndata: " + text.encode() + b"\n\n" for text in datas)
    whole, cut = Decoder(), Decoder()
    expected = list(datas)
    assert [found.data for found in whole.feed(body)] == expected
    got, at = [], 0
    while at < len(body):
        size = data.draw(st.integers(1, 20))
        got += cut.feed(body[at : at + size])
        at += size
    assert [found.data for found in got] == expected
    assert not cut.pending
