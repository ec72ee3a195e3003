"""Comms of ours are heard while the main shell is busy, whatever sent on them before, and harm no cell."""

import json
import time

import pytest
from comm_client import CommClient
from kernel_client import started

pytestmark = pytest.mark.alone

HEARD_SECONDS = 0.5

SETUP = """
import asyncio, json, threading, time
from codeact_kernel.execute import subshell
_kernel = get_ipython().kernel
_began = time.perf_counter()
_id = subshell.ensure_subshell(_kernel)
_took = time.perf_counter() - _began
_heard, _comms = [], {}

def _on_open(comm, message):
    if message["content"]["data"].get("route", True):
        subshell.route(comm)
    def on_msg(message):
        data = message["content"]["data"]
        _heard.append([comm.comm_id, data.get("n"), threading.current_thread().name])
        comm.send({"echo": data.get("n"), "thread": threading.current_thread().name})
    comm.on_msg(on_msg)
    _comms[comm.comm_id] = comm
    comm.send({"opened": True})
_kernel.comm_manager.register_target("probe", _on_open)
"""

SPIN = "_until = time.monotonic() + 2\nwhile time.monotonic() < _until: pass"
BUSY = {
    "sleep": "time.sleep(2)",
    "loop": SPIN,
    "numpy": "import numpy as np\n_until = time.monotonic() + 2\nwhile time.monotonic() < _until: np.ones(10**6).sum()",
    "await": "await asyncio.sleep(2)",
    "await, then sleep": "await asyncio.sleep(0.1)\ntime.sleep(2)",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("kernel")) as notebook:
        client = CommClient(notebook)
        client.run(SETUP)
        yield client


def opened(kernel, subshell_id=None, **data):
    comm = kernel.open("probe", data, subshell_id)
    kernel.comm(comm, lambda data: data.get("opened"))
    return comm


def seconds_to_answer(kernel, comm, n, subshell_id=None):
    asked = time.monotonic()
    kernel.send(comm, {"n": n}, subshell_id)
    when, message = kernel.comm(comm, lambda data: data.get("echo") == n)
    return when - asked, message["content"]["data"]["thread"]


def value(kernel, expression):
    return json.loads(kernel.run(f"print(json.dumps({expression}))"))


def test_the_subshell_is_made_quickly_and_once(kernel):
    name, took = value(kernel, "[_id, _took]")
    assert name in kernel.control("list_subshell_request")["subshell_id"]
    assert took < 0.1
    assert value(kernel, "subshell.ensure_subshell(_kernel)") == name


@pytest.mark.parametrize("given", [False, True], ids=["no subshell given", "subshell given"])
@pytest.mark.parametrize("busy", BUSY)
def test_a_message_is_answered_while_the_main_shell_is_busy(kernel, busy, given):
    subshell = kernel.subshell() if given else None
    comm = opened(kernel, subshell)
    cell = kernel.start(BUSY[busy])
    time.sleep(0.3)
    took, thread = seconds_to_answer(kernel, comm, 1, subshell)
    assert took < HEARD_SECONDS
    assert thread.startswith("subshell-")
    kernel.finish(cell)


SENDERS = {
    "the cell that runs": "_comms[ID].send({'from': 'main'})",
    "a thread": "_t = threading.Thread(target=lambda: _comms[ID].send({'from': 'thread'})); _t.start(); _t.join()",
}


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("given", [False, True], ids=["no subshell given", "subshell given"])
def test_a_comm_that_the_kernel_has_sent_on_is_still_heard(kernel, sender, given):
    subshell = kernel.subshell() if given else None
    comm = opened(kernel, subshell)
    cell = kernel.start(SENDERS[sender].replace("ID", repr(comm)) + "\ntime.sleep(2)")
    kernel.comm(comm, lambda data: data.get("from"))
    for n in range(3):
        assert seconds_to_answer(kernel, comm, n, subshell)[0] < HEARD_SECONDS
    kernel.finish(cell)


def test_stock_is_deaf_there_so_that_this_file_can_go_when_it_no_longer_is(kernel):
    comm = opened(kernel, route=False)
    cell = kernel.start(f"_comms[{comm!r}].send({{'from': 'main'}})\ntime.sleep(1.5)")
    kernel.comm(comm, lambda data: data.get("from"))
    assert seconds_to_answer(kernel, comm, 1)[0] > 1
    kernel.finish(cell)


def test_every_message_arrives_once_and_in_order_also_with_two_comms(kernel):
    first, second = opened(kernel), opened(kernel)
    cell = kernel.start(f"for _ in range(20): _comms[{first!r}].send({{}}); time.sleep(0.05)")
    for n in range(200):
        kernel.send(first, {"n": n})
        kernel.send(second, {"n": n})
    kernel.comm(second, lambda data: data.get("echo") == 199)
    kernel.finish(cell)
    heard = value(kernel, "[entry for entry in _heard]")
    for comm in (first, second):
        assert [n for ident, n, _ in heard if ident == comm] == list(range(200))


def test_what_follows_the_opening_at_once_is_not_overtaken(kernel):
    for subshell in (None, kernel.subshell()):
        comm = kernel.open("probe", {}, subshell)
        for n in range(30):
            kernel.send(comm, {"n": n}, subshell)
        kernel.comm(comm, lambda data: data.get("echo") == 29)
        kernel.comm(comm, lambda data: data.get("echo") == 0)
        if subshell:
            heard = value(kernel, f"[n for ident, n, _ in _heard if ident == {comm!r}]")
            assert heard == list(range(30))


def test_the_slow_callback_of_another_widget_on_the_front_ends_subshell_holds_nothing_up(kernel):
    lab = kernel.subshell()
    kernel.run("""
from comm import create_comm
slow, ours = create_comm(target_name="x"), create_comm(target_name="x")
subshell.route(ours)
slow.on_msg(lambda message: time.sleep(2))
ours.on_msg(lambda message: ours.send({"echo": message["content"]["data"]["n"], "thread": threading.current_thread().name}))
""")
    slow, ours = value(kernel, "[slow.comm_id, ours.comm_id]")
    kernel.send(slow, {}, lab)
    assert seconds_to_answer(kernel, ours, 1, lab)[0] < HEARD_SECONDS
    kernel.run("slow.close(); ours.close()")


def test_a_subshell_that_its_client_deleted_loses_no_message(kernel):
    lab = kernel.subshell()
    comm = opened(kernel, lab)
    kernel.control("delete_subshell_request", {"subshell_id": lab})
    assert seconds_to_answer(kernel, comm, 1, lab)[0] < HEARD_SECONDS


def images(kernel, cell):
    return [c for kind, c in kernel.of_cell(cell) if kind == "display_data" and "image/png" in c["data"]]


def test_a_figure_half_drawn_stays_in_its_cell(kernel):
    comm = opened(kernel)
    kernel.run("%matplotlib inline\nimport matplotlib.pyplot as plt")
    for pause in ("time.sleep(0.8)", "await asyncio.sleep(0.8)"):
        cell = kernel.start(f"plt.plot([1, 2])\nprint('half')\n{pause}\nplt.title('whole')")
        kernel.until(lambda m: m["msg_type"] == "stream" and "half" in m["content"]["text"])
        asked = len(kernel.seen)
        for n in range(3):
            seconds_to_answer(kernel, comm, n)
        kernel.finish(cell)
        assert len(images(kernel, cell)) == 1
        elsewhere = [m for _, m in kernel.seen[asked:] if m["msg_type"] == "display_data"]
        assert len(elsewhere) == 1, "and nothing was drawn under the comm's message"


def test_what_the_users_threads_print_and_display_stays_in_their_cell(kernel):
    comm = opened(kernel)
    cell = kernel.start("""
def _chatter():
    for number in range(20):
        print(f"line {number}", flush=True)
        display(number)
        time.sleep(0.05)
_t = threading.Thread(target=_chatter); _t.start(); print("begun", flush=True)
time.sleep(1.2); _t.join()
""")
    kernel.until(lambda m: m["msg_type"] == "stream" and "begun" in m["content"]["text"])
    for n in range(5):
        seconds_to_answer(kernel, comm, n)
        time.sleep(0.1)
    _, text = kernel.finish(cell)
    assert [f"line {n}" in text for n in range(20)].count(True) == 20
    assert len([1 for kind, _ in kernel.of_cell(cell) if kind == "display_data"]) == 20


def test_a_callback_that_raises_leaves_the_next_message_heard(kernel):
    comm = opened(kernel)
    kernel.run(f"_comms[{comm!r}]._msg_callback, _kept = (lambda m: 1 / 0), _comms[{comm!r}]._msg_callback")
    kernel.send(comm, {"n": 0})
    kernel.run(f"_comms[{comm!r}].on_msg(_kept)")
    assert seconds_to_answer(kernel, comm, 1)[0] < HEARD_SECONDS


def warnings(kernel, comm):
    kernel.run("import sys; sys.stderr.flush()")
    texts = [m["content"]["text"] for _, m in kernel.seen if m["msg_type"] == "stream"]
    return [text for text in texts if f"No such comm: {comm}" in text]


def test_messages_that_come_before_their_comm_is_made_leave_no_warning_in_the_outputs(kernel):
    cell = kernel.start("time.sleep(0.5)")
    comm = kernel.open("probe", {})  # waits for the main shell; ipykernel looks for its messages' comm before that
    kernel.send(comm, {"n": 1})
    kernel.finish(cell)
    kernel.comm(comm, lambda data: data.get("echo") == 1)
    assert warnings(kernel, comm) == []
    kernel.send("nobody", {})
    assert len(warnings(kernel, "nobody")) == 1


def test_a_front_end_that_closes_its_comm_is_heard_too(kernel):
    comm = opened(kernel)
    kernel.run(f"_closed = threading.Event(); _comms[{comm!r}].on_close(lambda m: _closed.set())")
    cell = kernel.start("_ok = _closed.wait(2)")
    kernel.close(comm)
    kernel.finish(cell)
    assert value(kernel, "_ok") is True


def test_a_front_end_that_deletes_its_subshell_behind_its_comm_is_heard_and_leaves_no_traceback(kernel):
    for _ in range(5):
        given = kernel.subshell()
        comm = opened(kernel, given)
        kernel.run(f"_closed = threading.Event(); _comms[{comm!r}].on_close(lambda m: _closed.set())")
        cell = kernel.start("_ok = _closed.wait(2)")
        kernel._shell("comm_close", {"comm_id": comm, "data": {}}, given)
        kernel.control("delete_subshell_request", {"subshell_id": given})
        kernel.finish(cell)
        assert value(kernel, "_ok") is True
    kernel.run("import gc; gc.collect()")
    texts = [m["content"]["text"] for _, m in kernel.seen if m["msg_type"] == "stream"]
    assert not [text for text in texts if "UnknownSubshellError" in text]


def test_it_can_be_made_from_any_thread_while_the_main_shell_is_busy(kernel):
    kernel.run("""
subshell.forget_subshell()
_found = []
_threads = [threading.Thread(target=lambda: _found.append(subshell.ensure_subshell(_kernel))) for _ in range(8)]
_began = time.monotonic()
for _t in _threads: _t.start()
for _t in _threads: _t.join()
_took = time.monotonic() - _began
""")
    found, took = value(kernel, "[_found, _took]")
    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0] is not None
    assert took < 0.5


def test_it_is_made_again_when_a_client_has_deleted_it(kernel):
    before = value(kernel, "subshell.ensure_subshell(_kernel)")
    kernel.control("delete_subshell_request", {"subshell_id": before})
    comm = opened(kernel)
    assert seconds_to_answer(kernel, comm, 1)[0] < HEARD_SECONDS  # nobody is busy: main answers
    after = value(kernel, "subshell.ensure_subshell(_kernel)")
    assert after is not None
    assert after != before


def test_forgotten_it_leaves_no_thread_and_no_hook_and_comms_work_as_in_stock(kernel):
    comm = opened(kernel)
    kernel.run("_mine = subshell.ensure_subshell(_kernel)")
    mine = value(kernel, "_mine")
    hooks = "len(get_ipython().events.callbacks['pre_execute'])"
    with_it = value(kernel, hooks)
    kernel.run("subshell.forget_subshell(); subshell.forget_subshell()")
    assert value(kernel, hooks) == with_it - 1
    until = time.monotonic() + 5
    while mine in kernel.control("list_subshell_request")["subshell_id"]:
        assert time.monotonic() < until
    assert value(kernel, "[t.name for t in threading.enumerate() if _mine in t.name]") == []
    thread = seconds_to_answer(kernel, comm, 1)[1]
    assert thread == "MainThread"
    assert value(kernel, "subshell.ensure_subshell(_kernel)") not in (None, mine)
    assert seconds_to_answer(kernel, comm, 2)[1].startswith("subshell-")


def test_an_extension_that_a_configuration_loads_gets_its_subshell_when_the_kernel_listens(tmp_path):
    (tmp_path / "early.py").write_text(
        "import time\n"
        "from codeact_kernel.execute import subshell\n"
        "def load_ipython_extension(shell):\n"
        "    began = time.perf_counter()\n"
        "    shell.user_ns['early'] = [subshell.ensure_subshell(shell.kernel), None]\n"
        "    shell.user_ns['early'][1] = time.perf_counter() - began\n"
    )
    home = tmp_path / "ipython"
    (home / "profile_default").mkdir(parents=True)
    (home / "profile_default" / "ipython_kernel_config.py").write_text(
        "c.InteractiveShellApp.extensions = ['early']\n"
    )
    with started(tmp_path, IPYTHONDIR=str(home), PYTHONPATH=str(tmp_path)) as notebook:
        client = CommClient(notebook)
        client.run(SETUP)
        made, took = value(client, "early")
        assert made is None
        assert took < 0.1
        assert value(client, "_id") is not None
        comm = opened(client)
        cell = client.start("time.sleep(1.5)")
        assert seconds_to_answer(client, comm, 1)[0] < HEARD_SECONDS
        client.finish(cell)


def test_without_subshells_a_comm_works_as_in_stock(tmp_path):
    setup = SETUP.replace(
        "ensure_subshell(_kernel)", "ensure_subshell(types.SimpleNamespace(shell=_kernel.shell))"
    )
    with started(tmp_path) as notebook:
        client = CommClient(notebook)
        client.run("import types\n" + setup)
        assert value(client, "_id") is None
        assert seconds_to_answer(client, opened(client), 1)[1] == "MainThread"
