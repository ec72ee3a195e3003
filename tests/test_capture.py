"""Messages to outputs: merging, clearing, updating, bounds and safe JSON; and the tee on a real session."""

import json
import tracemalloc
from types import SimpleNamespace

import nbformat
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.execute.capture import Limits, OutputReducer, Tee, safe_json, safe_text

STREAMS = st.tuples(st.sampled_from(["stdout", "stderr"]), st.text(max_size=30))


def stream(text, name="stdout"):
    return {"header": {"msg_type": "stream"}, "content": {"name": name, "text": text}}


def display(text, display_id=None, kind="display_data"):
    transient = {} if display_id is None else {"display_id": display_id}
    content = {"data": {"text/plain": text}, "metadata": {}, "transient": transient}
    return {"header": {"msg_type": kind}, "content": content}


def clear(*, wait=False):
    return {"header": {"msg_type": "clear_output"}, "content": {"wait": wait}}


def reduced(*messages, limits=None):
    reducer = OutputReducer(limits)
    for message in messages:
        reducer.feed(message)
    return reducer.outputs()


def texts(outputs):
    return [o.get("text") or o["data"]["text/plain"] for o in outputs]


def test_neighbours_of_one_stream_merge():
    outputs = reduced(stream("a"), stream("b"), stream("c", "stderr"), stream("d"), display("x"), stream("e"))
    assert [(o.get("name"), t) for o, t in zip(outputs, texts(outputs), strict=True)] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
        (None, "x"),
        ("stdout", "e"),
    ]


def test_clear_output_at_once_and_waiting():
    assert texts(reduced(stream("a"), clear(), stream("b"))) == ["b"]
    assert texts(reduced(stream("a"), clear(wait=True))) == ["a"]
    assert texts(reduced(stream("a"), clear(wait=True), stream("b"), stream("c"))) == ["bc"]
    assert texts(reduced(stream("a"), clear(wait=True), clear(), stream("b"))) == ["b"]


def test_updates_reach_every_display_of_the_id_and_nothing_else():
    update = display("new", "one", "update_display_data")
    outputs = reduced(display("old", "one"), display("other", "two"), display("old", "one"), update)
    assert texts(outputs) == ["new", "other", "new"]
    assert texts(reduced(update)) == []
    assert texts(reduced(display("old", "one"), clear(), update)) == []
    assert "transient" not in json.dumps(outputs)


def test_results_and_errors_are_valid_nbformat():
    result = {
        "header": {"msg_type": "execute_result"},
        "content": {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": 3},
    }
    error = {
        "header": {"msg_type": "error"},
        "content": {"ename": "ValueError", "evalue": "bad", "traceback": ["line one", "line two"]},
    }
    outputs = reduced(stream("a"), display("b", "id"), result, error)
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(o) for o in outputs])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert [o["output_type"] for o in outputs] == ["stream", "display_data", "execute_result", "error"]


def test_a_hundred_megabytes_take_little_memory():
    chunk = "0123456789" * 10_000
    reducer = OutputReducer()
    tracemalloc.start()
    for _ in range(1000):
        reducer.feed(stream(chunk))
    reducer.feed(stream("the end"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (output,) = reducer.outputs()
    assert peak < 3_000_000
    assert output["text"].startswith("0123456789")
    assert output["text"].endswith("the end")
    assert f"{100_000_000 + 7 - 500_000:,} characters of stdout left out" in output["text"]


def test_many_displays_keep_the_first_and_the_last():
    outputs = reduced(*(display(str(n), f"id{n}") for n in range(10_000)), limits=Limits(displays=10))
    assert texts(outputs)[:5] == ["0", "1", "2", "3", "4"]
    assert texts(outputs)[-5:] == ["9995", "9996", "9997", "9998", "9999"]
    assert outputs[5]["text"] == "[... 9,990 outputs left out ...]\n"


def test_huge_bundles_and_tracebacks_are_cut():
    limits = Limits(bundle_chars=100, display_chars=250, error_chars=100)
    outputs = reduced(display("x" * 101), display("y" * 90), display("z" * 90), display("w" * 90), limits=limits)
    assert texts(outputs)[0] == "[text/plain: 101 characters left out]"
    assert texts(outputs)[1:3] == ["y" * 90, "z" * 90]
    assert "90 characters left out" in texts(outputs)[3]
    error = {"ename": "E", "evalue": "v" * 1000, "traceback": ["t" * 1000] * 50}
    (output,) = reduced({"header": {"msg_type": "error"}, "content": error}, limits=limits)
    assert len(output["evalue"]) < 200
    assert sum(map(len, output["traceback"])) < 300


def test_a_flood_of_alternating_lines_is_bounded():
    reducer = OutputReducer(Limits(chars=10_000))
    for number in range(50_000):
        reducer.feed(stream(f"{number}\n", "stdout" if number % 2 else "stderr"))
    outputs = reducer.outputs()
    assert sum(len(o["text"]) for o in outputs) < 12_000
    assert outputs[-1]["text"] == "49999\n"


@given(st.lists(STREAMS, max_size=60), st.integers(2, 80))
@settings(max_examples=150, deadline=None)
def test_kept_and_left_out_text_add_up(pieces, limit):
    reducer = OutputReducer(Limits(chars=2 * limit))
    for name, text in pieces:
        reducer.feed(stream(text, name))
    for name in ("stdout", "stderr"):
        whole = "".join(safe_text(text) for which, text in pieces if which == name)
        runs = reducer._streams[name].runs(name)
        kept = sum(len("".join(r.parts)) for r in (*reducer._streams[name]._head, *reducer._streams[name]._tail))
        assert kept + reducer._streams[name].left_out == len(whole)
        assert kept <= max(limit, 2)
        if reducer._streams[name].left_out == 0:
            assert "".join(text for _, text in runs) == whole


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5)
        | st.text(st.characters(codec=None), max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
        max_leaves=12,
    )
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_whatever_is_displayed_becomes_strict_json(value):
    text = json.dumps(safe_json({"value": value}), allow_nan=False, ensure_ascii=False)
    assert "\x00" not in text
    text.encode("utf-8")


def test_nul_surrogates_and_nan_stay_readable():
    assert safe_text("a\x00b\udc80\ud800é") == "a\\x00b\\udc80\\ud800é"
    assert safe_json({"n": float("nan"), "i": float("-inf")}) == {"n": "nan", "i": "-inf"}
    assert safe_json(object) == "<class 'object'>"
    loop = []
    loop.append(loop)
    json.dumps(safe_json(loop))


class Session:
    """Has the one method of a Jupyter session that the tee wraps."""

    def __init__(self):
        self.sent = []

    def send(self, stream, msg_or_type, content=None, parent=None, ident=None):
        self.sent.append(stream)


def test_tees_nest_and_leave_no_trace():
    session = Session()
    kernel = SimpleNamespace(session=session, iopub_socket=object(), iopub_thread=object())
    outer, inner = OutputReducer(), OutputReducer()
    with Tee(kernel, outer):
        session.send(kernel.iopub_thread, stream("outer "))
        with Tee(kernel, inner) as tee:
            session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "both"})
            session.send("shell", stream("not IOPub"))
            with tee.muted():
                session.send(kernel.iopub_socket, stream(" muted"))
        session.send(kernel.iopub_socket, stream(" outer"))
    assert "send" not in vars(session)
    session.send(kernel.iopub_socket, stream("after"))
    assert texts(outer.outputs()) == ["outer both muted outer"]
    assert texts(inner.outputs()) == ["both"]
    assert len(session.sent) == 6


def test_a_tee_leaves_a_later_wrapper_alone():
    session = Session()
    kernel = SimpleNamespace(session=session, iopub_socket=object())
    reducer = OutputReducer()
    tee = Tee(kernel, reducer).__enter__()
    theirs = session.send
    later = session.send = lambda *args: theirs(*args)  # noqa: PLW0108 - another extension's wrapper
    tee.__exit__(None, None, None)
    assert session.send is later
    session.send(kernel.iopub_socket, stream("unseen"))
    assert reducer.outputs() == ()
    assert session.sent == [kernel.iopub_socket]
