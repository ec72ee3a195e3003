"""The stream rule, seen from the caller: what counts, what a restart forgets, what stays open."""

from __future__ import annotations

import asyncio

import pytest

from codeact_kernel.agent.formats.code import parse
from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import IncompleteReplyError, StoppedError
from codeact_kernel.models.base import Chunk, complete, goes_round
from codeact_kernel.types import Message, Sampling, Usage


class Pieces:
    """A model that streams the given chunks and notes when its stream was closed."""

    id = backend = "pieces"

    def __init__(self, *chunks, then=None):
        self.chunks, self.then, self.closed = chunks, then, False

    async def stream(self, messages, sampling, stop):
        try:
            for chunk in self.chunks:
                yield chunk
            if self.then:
                await self.then()
        finally:
            self.closed = True


def ask(model, stop=None, on_chunk=lambda _: None):
    return asyncio.run(complete(model, [Message("user", "x")], Sampling(), stop or Stop(), on_chunk))


def test_a_restart_forgets_text_reasoning_finish_and_usage():
    model = Pieces(
        Chunk("old", "old", "length", Usage(9, 9)),
        Chunk(restart=True),
        Chunk("new", finish="stop", usage=Usage(1, 2)),
    )
    done = ask(model)
    assert (done.text, done.reasoning, done.finish, done.usage) == ("new", None, "stop", Usage(1, 2, calls=1))


def test_a_finish_before_a_restart_does_not_make_the_rest_count():
    model = Pieces(Chunk("old", finish="stop"), Chunk(restart=True), Chunk("new"))
    with pytest.raises(IncompleteReplyError, match="nothing of it was run"):
        ask(model)
    assert model.closed


def test_an_error_after_the_finish_means_that_the_reply_does_not_count():
    async def fail():
        raise IncompleteReplyError("cut")

    with pytest.raises(IncompleteReplyError, match="cut"):
        ask(Pieces(Chunk("x", finish="stop"), then=fail))


def test_stop_closes_the_stream():
    stop = Stop()
    model = Pieces(Chunk("x"), then=lambda: asyncio.sleep(60))
    with pytest.raises(StoppedError):
        ask(model, stop, lambda _: stop.set())
    assert model.closed


def test_an_error_of_the_listener_closes_the_stream():
    def fail(_):
        raise ValueError("listener")

    model = Pieces(Chunk("x", finish="stop"))
    with pytest.raises(ValueError, match="listener"):
        ask(model, on_chunk=fail)
    assert model.closed


@pytest.mark.parametrize(
    "piece",
    ["and so on, ", "df = df.dropna()\n", "x", "a, b\nc, d\n\n", "The region is East.\nThe region is West.\n"],
)
def test_a_reply_that_goes_round_is_cut_off_and_its_stream_closed(piece):
    model = Pieces(*(Chunk(char) for char in "First words. " + piece * 800), Chunk(finish="stop"))
    done = ask(model)
    assert done.finish == "cancelled"
    assert len(done.text) <= 13 + 720
    assert model.closed


def test_a_long_piece_is_cut_off_when_it_comes_a_third_time():
    piece = "".join(f"row {number} holds {number * 7}\n" for number in range(30))
    done = ask(Pieces(*(Chunk(line) for line in ("First words.\n" + piece * 9).splitlines(keepends=True))))
    assert done.finish == "cancelled"
    assert 2 * len(piece) < len(done.text) < 3 * len(piece)


def test_an_open_block_of_such_a_reply_is_no_action():
    done = ask(Pieces(*(Chunk(char) for char in "```python\n" + "x = x + 1\n" * 200), Chunk(finish="stop")))
    action = parse(done.text, done.finish)
    assert action.code is None
    assert action.complaint


def test_ordinary_replies_do_not_go_round():
    table = "\n".join(f"| row {number} | {number * 7} |" for number in range(200))
    assert not goes_round(table)
    assert not goes_round("=" * 599)
    cell = "".join(f"plot(data[{number}], color='black')\n" for number in range(9))
    assert not goes_round(f"{cell}\n{cell}")
    assert not goes_round("print('-' * 80)\n" * 37)
    assert not goes_round("\n".join(f"axes[{number}].plot(data[{number}])" for number in range(100)))
