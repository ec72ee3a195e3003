"""Edits and refusals become pairs where the user agreed to it, and nowhere else."""

import json

import pytest
from episode_helpers import header, load
from learn_helpers import edited, keep, ran, refused, said, talk

from codeact_kernel.config import CodeAct
from codeact_kernel.episode.schema import check
from codeact_kernel.learn.dataset import Wanted, make
from codeact_kernel.learn.preferences import pairs_of
from codeact_kernel.learn.trajectory import of_episode
from codeact_kernel.oneshot import run

AGREED = {"approval": "ask", "max_steps": 12, "budget_tokens": None, "preferences": True}


def turns():
    return talk(
        lambda t: refused(t, "import os; os.remove('x')"),
        lambda t: ran(t, "print(len(df))", "1234\n"),
        lambda t: edited(t, "print(df)", "print(df.head())", "harbour boats\n"),
        lambda t: said(t, "There are 1234 rows."),
    )


def pairs(folder, **changes):
    notebook = load(keep(folder, turns(), **changes))
    assert check(notebook) == []
    return list(pairs_of(of_episode(notebook, None), notebook))


def test_without_consent_nothing_becomes_a_pair(tmp_path):
    assert pairs(tmp_path) == []
    assert CodeAct().share_preferences is False


def test_an_edit_and_a_refusal_become_pairs_with_what_was_asked_before_them(tmp_path):
    refusal, edit = pairs(tmp_path, policy=AGREED)
    assert (refusal["why"], refusal["reason"], refusal["step"]) == ("refusal", "not my file", 1)
    assert [m["role"] for m in refusal["prompt"]] == ["system", "user"]
    assert "os.remove" in refusal["rejected"][0]["content"]
    assert refusal["rejected"][0]["content"].endswith("\n```")
    assert "print(len(df))" in refusal["chosen"][0]["content"]
    assert edit["why"] == "edit"
    assert edit["prompt"][-1]["content"].startswith("1234")
    assert edit["rejected"][0]["content"] == "I count.\n```python\nprint(df)\n```"
    assert edit["chosen"][0]["content"] == "I count.\n```python\nprint(df.head())\n```"


def test_a_refusal_after_which_nothing_was_accepted_says_nothing(tmp_path):
    alone = talk(lambda t: refused(t, "rm()"), lambda t: said(t, "Then not."))
    notebook = load(keep(tmp_path, alone, policy=AGREED))
    assert list(pairs_of(of_episode(notebook, None), notebook)) == []


def test_an_episode_that_somebody_edited_gives_no_pairs(tmp_path):
    path = keep(tmp_path, turns(), policy=AGREED)
    path.write_text(path.read_text().replace("1234 rows", "9999 rows"))
    notebook = load(path)
    assert list(pairs_of(of_episode(notebook, None), notebook)) == []


def test_consent_is_of_a_task_and_not_of_the_whole_episode(tmp_path):
    notebook = load(keep(tmp_path, turns(), policy=AGREED))
    notebook["metadata"]["codeact"]["tasks"][0]["preferences"] = False
    assert list(pairs_of(of_episode(notebook, None), notebook)) == []


def test_the_data_set_holds_the_pairs_only_where_they_are_asked_for(tmp_path):
    (tmp_path / "own").mkdir()
    path = keep(tmp_path / "own", turns(), policy=AGREED)
    for wanted, count in ((False, 0), (True, 2)):
        out = tmp_path / f"data-{wanted}"
        made = make([path], out, Wanted(hf=False, unchecked=True, preferences=wanted))
        assert made.rows["preferences.jsonl"] == count
        assert (out / "preferences.jsonl").exists() is wanted
    assert {json.loads(line)["why"] for line in (out / "preferences.jsonl").open()} == {"edit", "refusal"}


@pytest.mark.parametrize("agrees", [False, True])
def test_the_setting_is_noted_in_the_episode_with_its_task(agrees, tmp_path):
    script = tmp_path / "replies.jsonl"
    script.write_text(json.dumps({"text": "There is nothing to count."}) + "\n")
    config = CodeAct(share_preferences=agrees)
    result = run("Say hello.", model=f"scripted:{script}", cwd=tmp_path, config=config, display=False)
    notebook = load(result.episode)
    assert check(notebook) == []
    noted = notebook["metadata"]["codeact"]["tasks"][0].get("preferences", False)
    assert noted is agrees


def test_the_header_of_these_tests_says_nothing_of_consent():
    assert "preferences" not in header()["policy"]
