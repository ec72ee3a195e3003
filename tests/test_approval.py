"""Approval: who may say that a cell runs, and exactly which text that is about."""

import asyncio
import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.approval import (
    ALLOW_KINDS,
    NOBODY,
    PLAN,
    StdinAsker,
    allowable,
    decide,
    question,
    visible,
)
from codeact_kernel.agent.risk import Risk, labels
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import APPROVAL_MODES
from codeact_kernel.errors import ConfigError, StoppedError
from codeact_kernel.types import Approval

CODE = "import os\nos.remove('a.csv')"
RISKS = (Risk("delete", "deletes files: a.csv"), Risk("network", "uses the network: requests.get"))


class Person:
    """Answers every question with the same answer and counts the questions."""

    def __init__(self, answer, text=None):
        self.answer, self.text, self.asked = answer, text, []

    async def ask(self, code, risks, reason):
        self.asked.append((code, risks, reason))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer, code if self.text is None else self.text


def ruling(mode, risks=RISKS, asker=None, allowed=None, code=CODE):
    return asyncio.run(decide(mode, code, risks, asker, set() if allowed is None else allowed))


def typed(*lines, risks=RISKS, edit=None, code=CODE):
    """Ask on a scripted terminal; return the decision, the text and everything that was shown."""
    shown, rest = [], list(lines)

    def read(prompt):
        shown.append(prompt)
        if not rest:
            raise EOFError
        return rest.pop(0)

    allowed: set[str] = set()
    approval, text = ruling("ask", risks, StdinAsker(read, shown.append, edit), allowed, code)
    return approval, text, "".join(shown), allowed


def test_plan_never_runs_and_never_asks():
    person = Person(Approval("approve", "user"))
    assert ruling("plan", (), person) == (Approval("reject", "policy", reason=PLAN), CODE)
    assert person.asked == []


def test_auto_runs_the_riskiest_cell_unasked():
    person = Person(Approval("reject", "user"))
    assert ruling("auto", RISKS, person) == (Approval("auto"), CODE)
    assert person.asked == []


def test_ask_asks_even_where_there_is_no_risk():
    person = Person(Approval("approve", "user"))
    assert ruling("ask", (), person)[0] == Approval("approve", "user")
    assert person.asked == [(CODE, (), "every cell is asked about")]


def test_ask_if_risky_asks_only_about_kinds_not_allowed():
    person = Person(Approval("approve", "user"))
    assert ruling("ask-if-risky", (), person)[0].decision == "auto"
    assert ruling("ask-if-risky", RISKS, person, {"delete", "network"})[0].decision == "auto"
    assert person.asked == []
    assert ruling("ask-if-risky", RISKS, person, {"delete"})[0].decision == "approve"
    assert person.asked == [(CODE, RISKS, "it may be risky: network")]


def test_a_rebind_alone_is_shown_and_not_asked_about():
    rebind = Risk("rebind", "rebinds your name df")
    person = Person(Approval("approve", "user", reason=ALLOW_KINDS))
    assert ruling("ask-if-risky", (rebind,), person)[0].decision == "auto"
    assert person.asked == []
    allowed: set[str] = set()
    ruling("ask-if-risky", (*RISKS, rebind), person, allowed)
    assert person.asked == [(CODE, (*RISKS, rebind), "it may be risky: delete, network")]
    assert allowed == {"delete", "network"}
    assert allowable((rebind, Risk("unknown", "?"))) == []


def test_a_mode_that_does_not_exist_is_an_error_that_names_those_that_do():
    with pytest.raises(ConfigError, match="plan, ask, ask-if-risky, auto"):
        ruling("yolo")


@pytest.mark.parametrize("mode", ["ask", "ask-if-risky"])
@pytest.mark.parametrize("asker", [None, Person(EOFError()), Person(RuntimeError("closed comm"))])
def test_nobody_there_is_a_refusal_that_says_what_to_do(mode, asker):
    approval, text = ruling(mode, RISKS, asker)
    assert (approval.decision, approval.by, text) == ("reject", "policy", CODE)
    assert approval.reason == NOBODY
    assert "--approve auto" in NOBODY


def test_stop_during_a_question_is_a_stop_and_no_refusal():
    with pytest.raises(StoppedError):
        ruling("ask", RISKS, Person(StoppedError("Stopped.")))


def test_an_approval_is_bound_to_the_text_that_was_shown():
    sly = Person(Approval("approve", "user"), "import shutil; shutil.rmtree('/')")
    assert ruling("ask", RISKS, sly)[1] == CODE


def test_an_edited_cell_runs_as_it_is_and_the_proposal_is_kept():
    mine = "!rm -rf build"
    approval, text = ruling("ask-if-risky", RISKS, Person(Approval("modify", "user"), mine))
    assert text == mine
    assert approval == Approval("modify", "user", proposed=CODE)


def test_an_edit_that_changes_nothing_is_an_approval_and_an_empty_one_a_refusal():
    assert ruling("ask", RISKS, Person(Approval("modify", "user")))[0] == Approval("approve", "user")
    approval, text = ruling("ask", RISKS, Person(Approval("modify", "user"), " \n"))
    assert (approval.decision, approval.by, text) == ("reject", "user", CODE)


def test_allowing_kinds_ends_the_questions_about_them_but_never_about_what_cannot_be_read():
    allowed: set[str] = set()
    unreadable = Risk("unknown", "cannot be read as Python")
    person = Person(Approval("approve", "user", reason=ALLOW_KINDS))
    ruling("ask-if-risky", (*RISKS, unreadable), person, allowed)
    assert allowed == {"delete", "network"}
    assert ruling("ask-if-risky", RISKS, person, allowed)[0].decision == "auto"
    assert ruling("ask-if-risky", (unreadable,), person, allowed)[0].decision == "approve"
    assert len(person.asked) == 2


@pytest.mark.parametrize("line", ["y", "Y", " yes "])
def test_yes_runs_the_cell(line):
    assert typed(line)[:2] == (Approval("approve", "user"), CODE)


def test_no_takes_the_reason_on_the_line_or_asks_for_it():
    assert typed("n use a copy")[0] == Approval("reject", "user", reason="use a copy")
    assert typed("no", "not on a Friday")[0] == Approval("reject", "user", reason="not on a Friday")
    assert typed("n", "")[0] == Approval("reject", "user", reason="")


def test_edit_reads_lines_up_to_a_dot_or_uses_the_editor():
    approval, text, _, _ = typed("e", "x = 1", "", "print(x)", ".")
    assert (approval, text) == (Approval("modify", "user", proposed=CODE), "x = 1\n\nprint(x)")
    assert typed("edit", edit=str.upper)[1] == CODE.upper()


def test_stop_at_the_question_stops():
    assert typed("s")[0].decision == "stop"


def test_allow_offers_the_kinds_by_name_and_only_where_there_are_any():
    approval, _, shown, allowed = typed("a")
    assert approval.decision == "approve"
    assert allowed == {"delete", "network"}
    assert "[a]llow delete, network for this episode" in shown
    approval, _, shown, allowed = typed("a", "y", risks=())
    assert "[a]llow" not in shown
    assert "Please answer y, n, e or s." in shown
    assert (approval.reason, allowed) == ("", set())


def test_no_answer_or_five_that_are_none_refuse():
    assert typed()[0].reason == NOBODY
    assert typed(*["what?"] * 5, "y")[0].reason == NOBODY
    assert typed(*["what?"] * 4, "y")[0].decision == "approve"
    assert typed("e", "half a cell")[0].reason == NOBODY


def test_the_question_shows_the_code_and_each_risk_in_words():
    shown = typed("y")[2]
    assert "  | os.remove('a.csv')\n" in shown
    assert "  ! deletes files: a.csv\n" in shown
    assert "  ! uses the network: requests.get\n" in shown


def test_the_question_shows_what_a_terminal_would_hide():
    code = "x = 1 # \x1b[2K\rharmless\u202e"
    shown = question(code, labels(code), "every cell is asked about")
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[2K\rharmless\u202e" in shown


@given(st.text())
def test_visible_text_has_no_control_characters_and_keeps_ordinary_words(text):
    assert visible(text).replace("\t", "").isprintable()
    assert visible("größer 数 😀") == "größer 数 😀"


@given(
    mode=st.sampled_from(APPROVAL_MODES),
    decision=st.sampled_from(["auto", "approve", "modify", "reject", "stop"]),
    text=st.text(),
    kinds=st.lists(st.sampled_from(["delete", "unknown", "network"]), max_size=3),
)
def test_what_may_run_is_the_shown_text_or_the_persons_own(mode, decision, text, kinds):
    risks = tuple(Risk(kind, kind) for kind in kinds)
    person = Person(Approval(decision, "user"), text)
    approval, code = ruling(mode, risks, person)
    if approval.decision == "modify":
        assert (code, approval.proposed, approval.by) == (text, CODE, "user")
    else:
        assert code == CODE
    if mode == "plan":
        assert approval.decision == "reject"
    if approval.decision == "auto":
        assert mode == "auto" or (mode == "ask-if-risky" and not risks)


def test_stop_is_heard_while_a_person_is_thinking():
    waiting, leave = threading.Event(), threading.Event()

    def read(prompt):
        waiting.set()
        leave.wait(10)
        raise EOFError

    async def run():
        stop = Stop()
        asker = StdinAsker(read, lambda text: None)
        deciding = asyncio.create_task(stop.guard(decide("ask", CODE, RISKS, asker, set())))
        while not waiting.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        began = time.monotonic()
        stop.set()
        with contextlib.suppress(StoppedError):
            await deciding
        return time.monotonic() - began, deciding.exception()

    seconds, error = asyncio.run(run())
    leave.set()
    assert isinstance(error, StoppedError)
    assert seconds < 1


def test_an_interrupt_at_the_question_is_a_stop():
    def read(prompt):
        raise KeyboardInterrupt

    with pytest.raises(StoppedError):
        ruling("ask", RISKS, StdinAsker(read, lambda text: None))
