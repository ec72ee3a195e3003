"""The panel's comm in a real kernel, with a page played over jupyter_client."""

import time

import pytest
from kernel_client import block, started
from panel_client import Page


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("panel")) as notebook:
        reply, _ = notebook.run("%load_ext codeact_kernel\nimport time")
        assert reply["status"] == "ok"
        yield notebook


@pytest.fixture
def nb(kernel):
    kernel.run("%codeact reset")
    for path in kernel.episodes():
        path.unlink()
    return kernel


def ask(page, *replies, task="do it", timeout=30, **options):
    run = page.start(task, model=page.nb.script(*replies), **options)
    return page.done(run, timeout=timeout)


def test_actions_become_cells_that_the_page_runs_and_the_kernel_observes(nb):
    page = Page(nb)
    run = ask(page, block("x = 20\nprint(x)"), block("x * 2 + 2"), "It is 42.", task="what is x?")
    assert (run["status"], run["answer"], run["inline"]) == ("done", "It is 42.", False)
    first, second, _answer = run["steps"]
    assert [step["status"] for step in run["steps"]] == ["ok", "ok", "answer"]
    assert page.text(first["cell_id"]) == "20\n"
    assert page.text(second["cell_id"]) == "42"
    assert second["execution_count"] == first["execution_count"] + 1
    assert "42" in second["summary"]
    executes = page.all("execute")
    assert executes[1]["after"] == first["cell_id"]
    assert executes[0]["metadata"]["codeact"]["role"] == "action"
    source = "\n".join(cell.source for cell in nb.episode().cells)
    assert "x = 20" in source
    assert "It is 42." in source
    assert nb.run("print(x)")[1] == "20\n"


def test_states_are_told_in_order_and_sequence_numbers_rise(nb):
    page = Page(nb)
    ask(page, block("1 + 1"), "Two: 2.")
    states = [event["state"] for event in page.all("state")]
    assert states == ["generating", "executing", "generating", "idle"]
    numbers = [event["seq"] for event in page.events]
    assert numbers == sorted(numbers)
    assert len(set(numbers[1:])) == len(numbers) - 1


def test_a_page_knows_from_the_beginning_where_the_episode_is(nb):
    page = Page(nb)
    ask(page, block("1 + 1"), "Two: 2.")
    first = next(place for place, event in enumerate(page.events) if event["type"] == "execute")
    told = [event["run"]["episode"] for event in page.events[:first] if event["type"] == "begin"]
    assert told[-1] == f"episodes/{nb.episodes()[0].name}"


def test_a_failing_cell_is_mended_and_does_not_abort_what_waits_behind_it(nb):
    page = Page(nb)
    run = ask(page, block("1 / 0"), block("print('mended')"), "Done.")
    assert [step["status"] for step in run["steps"]] == ["error", "ok", "answer"]
    assert "ZeroDivisionError" in run["steps"][0]["summary"]


@pytest.mark.alone
def test_a_follow_up_continues_the_conversation(nb):
    page = Page(nb)
    ask(page, block("total = 7\ntotal"), "It is 7.")
    run = ask(page, block("total * 3"), "It is 21.", task="and three times that?")
    assert run["answer"] == "It is 21."
    reply = page.request("messages", run=run["run"], step=run["steps"][0]["index"])
    texts = [message["content"] for message in reply["messages"]]
    assert "and three times that?" in texts[-1]
    assert any("total = 7" in text for text in texts)
    assert reply["note"] == "Exactly what was sent."


def stopped(nb, page, code):
    """The run of a task whose cell is stopped while it runs; it must end at once, and the kernel go on."""
    run = page.start("sleep", model=nb.script(block(code), "never"))
    page.wait(lambda: page.last("step") and page.last("step")["step"]["status"] == "running")
    time.sleep(0.3)
    asked = time.monotonic()
    page.send("stop")
    found = page.done(run)
    assert time.monotonic() - asked < 1.0
    assert found["status"] == "interrupted"
    assert nb.run("print('alive')")[1] == "alive\n"
    return found


def test_stop_ends_a_sleeping_cell_at_once(nb):
    page = Page(nb)
    found = stopped(nb, page, "time.sleep(30)")
    sent = page.sent[found["steps"][0]["cell_id"]]
    error = page.wait(lambda: next((one for kind, one in page.outputs.get(sent, ()) if kind == "error"), None))
    assert error["ename"] == "KeyboardInterrupt"
    assert "sleep" in "".join(error["traceback"])
    assert "codeact_kernel" not in "".join(error["traceback"]), "the user's lines only"


def test_stop_ends_a_cell_that_awaits(nb):
    stopped(nb, Page(nb), "import asyncio\nawait asyncio.sleep(30)")


@pytest.mark.alone
def test_stop_ends_the_model_while_it_writes(nb):
    page = Page(nb)
    run = page.start("slow", model=nb.script({"text": "word " * 50, "delay_s": 30}))
    page.wait(lambda: page.last("state") and page.last("state")["state"] == "generating")
    asked = time.monotonic()
    page.send("stop")
    assert page.done(run)["status"] == "interrupted"
    assert time.monotonic() - asked < 1.0


@pytest.mark.alone
def test_stop_takes_back_a_cell_that_waits_behind_the_users(nb):
    page = Page(nb)
    nb.send("time.sleep(3)")
    run = page.start("later", model=nb.script(block("never_run = 1"), "never"))
    page.wait(lambda: page.last("execute"))
    time.sleep(0.2)
    asked = time.monotonic()
    page.send("stop")
    assert page.done(run)["status"] == "interrupted"
    assert time.monotonic() - asked < 1.0
    cell_id = page.last("execute")["cell_id"]
    assert page.last("cancel")["cell_id"] == cell_id
    reply = nb._reply(page.sent[cell_id])
    assert (reply["status"], reply["codeact"]) == ("ok", "declined")
    assert page.sent[cell_id] not in page.outputs, "nothing of it ran, and nothing looks like it"
    assert "never_run" not in nb.run("print([n for n in dir() if n == 'never_run'])")[1]


def test_the_users_own_cell_runs_while_the_model_writes_and_is_recorded(nb):
    page = Page(nb)
    run = page.start("slow", model=nb.script({"text": block("mine + 1"), "delay_s": 2.0}, "It is 6."))
    page.wait(lambda: page.last("state") and page.last("state")["state"] == "generating")
    nb.send("mine = 5")
    found = page.done(run)
    assert found["steps"][0]["status"] == "ok", found
    cells = [(cell.metadata["codeact"]["kind"], cell.source) for cell in nb.episode().cells]
    assert ("human", "mine = 5") in cells


def test_a_question_is_answered_with_an_edit(nb):
    page = Page(nb)
    run = page.start("delete", model=nb.script(block("import os\nos.remove('nothing.csv')"), "Done."))
    question = page.answer(decision="modify", code="print('edited')")
    assert "delete" in [risk["kind"] for risk in question["risks"]]
    found = page.done(run)
    assert found["steps"][0]["edited"] is True
    assert found["steps"][0]["code"] == "print('edited')"
    assert page.text(found["steps"][0]["cell_id"]) == "edited\n"


def test_a_reason_reaches_the_model(nb):
    page = Page(nb)
    run = page.start("delete", model=nb.script(block("import os\nos.remove('nothing.csv')"), "I did not."))
    page.answer(decision="reject", reason="that file is precious")
    found = page.done(run)
    assert found["steps"][0]["status"] == "refused"
    reply = page.request("messages", run=run, step=2)
    assert "that file is precious" in reply["messages"][-1]["content"]


def test_an_answer_to_another_text_counts_for_nothing(nb):
    page = Page(nb)
    run = page.start("delete", model=nb.script(block("import os\nos.remove('nothing.csv')"), "Done."))
    question = page.wait(lambda: (page.last("question") or {}).get("question"))
    page.send("approve", run=run, step=question["step"], sha256="0" * 64, decision="approve")
    page.request("ping")
    assert page.last("state")["state"] == "awaiting_approval"
    page.answer(decision="reject", reason="")
    page.done(run)


def test_a_kind_that_was_allowed_is_not_asked_about_again(nb):
    page = Page(nb)
    nb.run("open('a.txt', 'w').close(); open('b.txt', 'w').close()")
    run = page.start(
        "delete", model=nb.script(block("import os\nos.remove('a.txt')"), block("os.remove('b.txt')"), "Gone.")
    )
    page.answer(decision="approve", allow=True)
    found = page.done(run)
    assert [step["status"] for step in found["steps"]] == ["ok", "ok", "answer"]
    assert len([event for event in page.all("question") if event["question"]]) == 1


def test_a_second_task_is_refused_with_the_owner_named(nb):
    page = Page(nb)
    run = page.start("the first one", model=nb.script({"text": "Hi.", "delay_s": 3}))
    reply = page.request("start", task="another", notebook=page.notebook, options={})
    assert reply["type"] == "error"
    assert "the first one" in reply["sentence"]
    assert "side panel" in reply["sentence"]
    page.send("stop")
    page.done(run)


def test_a_page_that_loads_again_gets_everything_and_takes_over(nb):
    page = Page(nb, passive=True)
    run = page.start("go on", model=nb.script(block("print('here')"), "Done."))
    page.wait(lambda: page.last("execute"))
    again = Page(nb)
    pending = again.hello["snapshot"]["execute"]
    assert pending["code"] == "print('here')"
    assert again.hello["snapshot"]["runs"][-1]["run"] == run
    again.run(pending)
    found = again.done(run)
    assert found["steps"][0]["status"] == "ok"
    cells = again.request("cells", run=run)["cells"]
    assert [cell["outputs"][0]["text"] for cell in cells] == ["here\n"]


def test_without_a_page_the_kernel_runs_the_cells_itself(nb):
    page = Page(nb, passive=True)
    run = page.start("go on", model=nb.script(block("alone = 1\nprint('alone')"), "Done."))
    found = page.done(run, timeout=30)
    assert found["steps"][0]["status"] == "ok"
    assert found["steps"][0]["outputs"][0]["text"] == "alone\n"
    late = page.last("execute")
    page.run(late)
    page.wait(lambda: page.outputs.get(page.sent[late["cell_id"]]))
    assert "not run twice" in page.text(late["cell_id"])


def test_a_cell_that_was_changed_before_it_ran_is_not_run(nb):
    page = Page(nb, passive=True)
    run = page.start("go", model=nb.script(block("good = 1"), "It did not run."))
    event = page.wait(lambda: page.last("execute"))
    page.run({**event, "code": "evil = 1"})
    found = page.done(run)
    assert found["steps"][0]["status"] == "error"
    assert "approved" in found["steps"][0]["summary"]
    assert nb.run("print('evil' in dir())")[1] == "False\n"


def test_a_fix_comes_back_as_a_proposal_for_the_users_cell(nb):
    page = Page(nb)
    about = {"cell_id": "usercell", "source": "1 / zero", "error": "NameError: name 'zero' is not defined"}
    run = page.start("fix", model=nb.script(block("zero = 1\n1 / zero"), "It lacked zero."), about=about)
    page.done(run)
    proposal = page.wait(lambda: page.last("proposal"))
    assert (proposal["cell_id"], proposal["base"]) == ("usercell", "1 / zero")
    assert proposal["source"] == "zero = 1\n1 / zero"


def test_the_magic_hands_over_to_the_page(nb):
    page = Page(nb)
    model = nb.script(block("handed = 3\nhanded"), "It is 3.")
    nb.send(f"%codeact -m {model} what is it?", cell_id="magiccell")
    done = page.wait(lambda: page.last("done"), timeout=30)["run"]
    assert (done["surface"], done["inline"], done["answer"]) == ("magic", False, "It is 3.")
    assert page.all("execute")[0]["after"] == "magiccell"


def test_a_magic_with_a_result_stays_inline(nb):
    page = Page(nb)
    model = nb.script(block("1 + 2"), "It is 3.")
    nb.send(f"%codeact -m {model} -o found what is it?", cell_id="othercell")
    done = page.wait(lambda: page.last("done"), timeout=30)["run"]
    assert done["inline"] is True
    assert not page.all("execute")
    assert done["steps"][0]["outputs"]


def test_requests_about_models_settings_and_episodes(nb):
    page = Page(nb)
    ask(page, block("1"), "One: 1.")
    status = page.request("status", probe=False)
    assert {entry["name"] for entry in status["installed"]} >= {"qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"}
    assert page.request("configure", approval="ask")["settings"]["approval"] == "ask"
    assert page.request("configure", approval="ask-if-risky")["settings"]["approval"] == "ask-if-risky"
    (episode,) = page.request("episodes")["episodes"]
    assert episode["status"] == "done"
    assert episode["path"].startswith("episodes/")
    assert page.request("pull", name="no-such-model")["type"] == "error"


def test_a_page_is_told_when_the_model_cannot_be_had(nb):
    page = Page(nb)
    run = page.start("go", model="scripted:/nowhere.jsonl")
    found = page.done(run)
    assert found["status"] == "failed"
    assert "nowhere" in found["cause"]


def test_tools_and_a_check_go_with_a_task(nb):
    page = Page(nb)
    nb.run("def lookup(name: str) -> int:\n    'Return the stock of a thing.'\n    return 7")
    codes = [block("final_answer(lookup('a') - 8)"), block("final_answer(lookup('a'))")]
    run = ask(page, *codes, tools=["lookup"], check="answer > 0")
    assert (run["status"], run["answer"], len(run["steps"])) == ("done", "7", 2)
    told = page.request("messages", run=run["run"], step=2)["messages"]
    assert "def lookup(name: str) -> int" in told[1]["content"]
    assert "the user's check says that" in told[-1]["content"]
    refused = page.request("start", task="go", notebook=page.notebook, options={"tools": ["nothing"]})
    assert refused["type"] == "error"
    assert "no function 'nothing' to offer" in refused["sentence"]


def test_the_action_space_of_a_task_begins_the_conversation(nb):
    page = Page(nb)
    run = ask(page, 'I look.\n{"tool": "abs", "args": [-7]}', "There are 7.", action="json")
    assert run["steps"][0]["code"] == "abs(-7)"
    assert nb.episode().metadata["codeact"]["agent"]["format"] == "json"


def test_stop_at_any_moment_around_the_beginning_of_a_cell_ends_it(nb):
    page = Page(nb)
    for delay in (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
        run = page.start("sleep", model=nb.script(block("time.sleep(30)"), "never"))
        page.wait(lambda run=run: any(event["run"] == run for event in page.all("execute")))
        time.sleep(delay)
        asked = time.monotonic()
        page.send("stop")
        assert page.done(run)["status"] == "interrupted"
        assert time.monotonic() - asked < 5.0, delay


def test_a_cell_that_the_user_deleted_is_not_run_by_anyone(nb):
    page = Page(nb, passive=True)
    run = page.start("go", model=nb.script(block("deleted = 1"), "You deleted it."))
    event = page.wait(lambda: page.last("execute"))
    page.send("cell_started", cell_id=event["cell_id"])
    page.send("cell_done", cell_id=event["cell_id"], status="gone", execution_count=None)
    found = page.done(run)
    assert "deleted the cell" in found["steps"][0]["summary"]
    assert nb.run("print('deleted' in dir())")[1] == "False\n"


def test_a_cell_that_was_aborted_is_run_by_the_kernel(nb):
    page = Page(nb, passive=True)
    run = page.start("go", model=nb.script(block("aborted = 1"), "Done."))
    event = page.wait(lambda: page.last("execute"))
    page.send("cell_started", cell_id=event["cell_id"])
    page.send("cell_done", cell_id=event["cell_id"], status="aborted", execution_count=None)
    assert page.done(run)["steps"][0]["status"] == "ok"
    assert nb.run("print('aborted' in dir())")[1] == "True\n"


def test_cells_go_to_the_page_where_the_task_was_typed(nb):
    first, second = Page(nb), Page(nb, passive=True)
    run = first.start("go", model=nb.script(block("here = 1"), "Done."))
    assert first.done(run)["steps"][0]["status"] == "ok"
    assert len(first.all("execute")) == 1
    assert not second.all("execute")
