"""How the kernel tells front ends that an agent is here, and how it waits for their answer."""

import pytest
from kernel_client import block, started
from panel_client import Page, check


@pytest.fixture
def nb(tmp_path):
    with started(tmp_path) as notebook:
        yield notebook


def test_the_hail_is_a_message_and_opens_no_comm(nb):
    ident, told = nb.send("%load_ext codeact_kernel"), []
    while True:
        message = nb.client.get_iopub_msg(timeout=20)
        if message["msg_type"].startswith("comm_"):
            told.append(message)
        if message["parent_header"].get("msg_id") == ident and message["content"].get("execution_state") == "idle":
            break
    assert [message["msg_type"] for message in told] == ["comm_msg"]
    assert told[0]["content"]["comm_id"] == "codeact_kernel"
    assert told[0]["content"]["data"]["type"] == "hail"
    check(told[0]["content"]["data"])


def test_a_task_right_behind_the_loading_waits_for_the_page_that_is_about_to_say_hello(nb):
    nb.run("%load_ext codeact_kernel")
    model = nb.script(block("early = 3\nearly"), "It is 3.")
    nb.send(f"%codeact -m {model} what is it?", cell_id="magic")
    page = Page(nb)
    done = page.wait(lambda: page.last("done"), timeout=30)["run"]
    assert (done["inline"], done["answer"]) == (False, "It is 3.")
    assert page.all("execute")[0]["after"] == "magic"


def test_without_a_page_such_a_task_is_not_held_up_for_long(nb):
    nb.run("%load_ext codeact_kernel\nimport time; began = time.monotonic()")
    model = nb.script(block("waited = time.monotonic() - began"), "Done.")
    nb.run(f"%codeact -m {model} how long?", cell_id="magic")
    reply, _ = nb.run("assert waited < 4, waited")
    assert reply["status"] == "ok"
