"""Canaries: made-up secrets that cells print in every form. None may be in what is sent, kept, shown or exported."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
from canaries import CANARIES, FORMS, NAMED, SHAPED, leaks
from comm_client import CommClient
from episode_helpers import load
from faultserver import FaultServer, chat
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_client import block, started
from panel_client import Page

from codeact_kernel.agent.redaction import MODEL_KEY, Redaction
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.models.base import Chunk
from codeact_kernel.oneshot import run
from codeact_kernel.redactor import Redactor

SHOW = """
import json, pathlib, shutil
from IPython.display import HTML, display
from urllib.parse import quote
from base64 import b64encode
forms = {
    "plain": str, "base64": lambda t: b64encode(t.encode()).decode(),
    "url": lambda t: quote(t, safe=""), "hex": lambda t: t.encode().hex(),
}
def show(form, canaries):
    made = {kind: forms[form](value) for kind, value in canaries.items()}
    for kind, value in made.items():
        print(f"{kind}: {value}.")
    display(HTML("".join(f"<p>{value}</p>" for value in made.values())))
    display({"application/json": made, "text/plain": "json"}, raw=True)
    globals()["found_" + form] = made
    raise ValueError(" ".join(made.values()))
def keep_journal(to):
    for path in pathlib.Path("episodes").glob("*.jsonl"):
        shutil.copy(path, to)
"""
WORDS = "".join(f"{kind} is {value} here.\n" for kind, value in CANARIES.items())


def replies(keep):
    steps = [block(f"show({form!r}, canaries)", f"Let me look.\n{WORDS}") for form in FORMS]
    return [*steps, block(f"keep_journal({str(keep)!r})"), f"I have seen them.\n{WORDS}"]


def pieces(text):
    """A reply in small pieces, so that every canary is cut."""
    return chat(*(text[at : at + 29] for at in range(0, len(text), 29)))


def counted(text):
    """Return how many of canaries x forms leak into a text, and which."""
    found = [(kind, form) for kind in CANARIES for form in leaks(text, kind)]
    return len(found), found[:5]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Where each thing that is sent, kept or shown went, as text, after one run under a cell and one in the panel."""
    folder, aside = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("aside")
    (aside / "canaries.json").write_text(json.dumps(CANARIES))
    (aside / "show.py").write_text(SHOW)
    found = {}
    with started(folder, **NAMED) as nb, FaultServer([pieces(text) for text in replies(aside)] * 2) as server:
        client = CommClient(nb)
        client.run(
            f"%load_ext codeact_kernel\n%run -i {aside}/show.py\n%config CodeAct.base_url = {server.url!r}\n"
            f"canaries = json.loads(open('{aside}/canaries.json').read())\n"
            f"url = 'postgres://me:{NAMED['CLIENT_SECRET']}@host/db'"
        )
        client.run(f"%codeact --approve auto -m openai:gpt-x use {SHAPED['GitHub']}", timeout=90)
        found["widget"] = json.dumps([m["content"] for _, m in client.seen if m["msg_type"].startswith("comm")])
        nb.run("%codeact reset")
        page = Page(nb)
        run = page.start(f"use {SHAPED['GitHub']}", model="openai:gpt-x", approval="auto")
        assert page.done(run, timeout=90)["status"] == "done"
        found["comm"] = json.dumps(page.events)
        found["prompt"] = json.dumps(server.requests, ensure_ascii=False)
    paths = nb.episodes()
    assert len(paths) == 2
    found["notebook"] = "".join(path.read_text() + path.name for path in paths)
    found["journal"] = "".join(path.read_text() for path in aside.glob("*.jsonl"))
    rows = ""
    for form in ("messages", "openai", "codeact-instruct"):
        out = aside / f"{form}.rows"
        command = [sys.executable, "-m", "codeact_kernel.cli", "export", *map(str, paths), "--format", form]
        done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rows += out.read_text() + done.stdout + done.stderr
    found["export"] = rows
    return found, paths


@pytest.mark.parametrize("place", ["prompt", "notebook", "journal", "export", "widget", "comm"])
def test_no_canary_leaks_in_any_form(seen, place):
    text = seen[0][place]
    assert text.count("[redacted ") > 100
    for plain in (text, json.loads(json.dumps(text)).replace('\\"', '"').replace("\\\\", "\\")):
        assert counted(plain) == (0, []), place


def test_the_header_lists_what_was_taken_out_and_the_episode_is_whole(seen):
    for path in seen[1]:
        notebook = load(path)
        listed = {entry["what"]: entry["count"] for entry in notebook["metadata"]["codeact"]["redactions"]}
        assert set(NAMED) <= set(listed)
        assert listed["GitHub token"] >= len(FORMS)
        assert notebook["metadata"]["codeact"]["title"] == "use [redacted GitHub token]"
        assert integrity(notebook) == []
        assert check_messages(notebook) == []


def test_the_log_of_a_run_in_a_kernel_of_its_own_holds_no_canary(tmp_path, monkeypatch, capfd, caplog):
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    (tmp_path / "aside").mkdir()
    setup = [SHOW, f"canaries = {CANARIES!r}"]
    with FaultServer([pieces(text) for text in replies(tmp_path / "aside")]) as server:
        config = CodeAct(base_url=server.url, model="openai:gpt-x", approval="auto")
        result = run("go", config=config, setup=setup, cwd=tmp_path, out=tmp_path / "e.ipynb", display=True)
        assert result.status == "done"
        sent = json.dumps(server.requests, ensure_ascii=False)
    captured = capfd.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("codeact"))
    for text in (captured.out + captured.err, ours, sent, result.answer, (tmp_path / "e.ipynb").read_text()):
        assert counted(text) == (0, [])
    assert "[redacted DB_PASSWORD]" in captured.err


@pytest.mark.parametrize("approval", ["auto", "ask-if-risky"])
def test_the_models_key_is_not_in_the_environment_of_a_kernel_of_its_own(tmp_path, monkeypatch, approval):
    """`codeact run` keeps the key on its side of the kernel: the cell's code has none to read."""
    key = "canary-of-the-model-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    look = "import os, pathlib\nprint(sorted(n for n in os.environ if 'KEY' in n), 'seen' in dir())\n"
    look += "print(any('canary-of' in pathlib.Path(p).read_text('latin-1') for p in ['/proc/self/environ']))"
    with FaultServer([chat(block(look)), chat("No key: False.")]) as server:
        config = CodeAct(base_url=server.url, model="openai:gpt-x", approval="auto")
        result = run("go", config=config, cwd=tmp_path, out=tmp_path / "e.ipynb", approve="auto")
        assert server.keys == [f"bearer {key}"] * 2
    assert result.status == "done"
    notebook = (tmp_path / "e.ipynb").read_text()
    assert "[] False" in notebook
    assert key not in notebook


def test_code_runs_as_it_was_written_and_only_its_record_is_redacted(tmp_path, monkeypatch):
    secret = NAMED["DB_PASSWORD"]
    monkeypatch.setenv("DB_PASSWORD", secret)
    code = f"same = {secret!r} == bytes.fromhex({secret.encode().hex()!r}).decode()\nprint('same', same)"
    script = tmp_path / "s.jsonl"
    script.write_text(json.dumps(block(code)) + "\n" + json.dumps("It is True."))
    result = run("go", model=f"scripted:{script}", cwd=tmp_path, out=tmp_path / "e.ipynb", approve="auto")
    assert result.status == "done"
    action = next(c for c in load(tmp_path / "e.ipynb")["cells"] if c["metadata"]["codeact"]["kind"] == "action")
    assert "same True" in "".join(action["outputs"][0]["text"])
    assert "[redacted DB_PASSWORD]" in "".join(action["source"])
    assert counted((tmp_path / "e.ipynb").read_text()) == (0, [])


def test_values_that_everybody_knows_and_paths_tear_no_text_apart(tmp_path):
    env = {"POSTGRES_PASSWORD": "postgres", "X_TOKEN": "train", "SECRET_FILE": str(tmp_path), "A_KEY": "false"}
    env |= {"KEYCLOAK_REALM": "production", "AUTH_BACKEND": "basic_auth", "KEY_ORDER": "Last Name"}
    text = f"train, test = split(); url = 'postgresql://localhost'; open('{tmp_path}/x.csv'); false"
    text += " df[df['stage'] == 'production']; basic_auth(); df['Last Name']"
    assert Redactor(env).text(text) == text


def test_a_plain_word_is_a_secret_where_people_choose_it():
    assert Redactor({"DB_PASSWORD": "trombone"}).text("it is trombone") == "it is [redacted DB_PASSWORD]"


def test_a_key_that_the_model_was_given_is_watched():
    redaction = Redaction(Redactor({}))
    redaction.refresh(["a-key-of-the-model"])
    assert redaction.text("so a-key-of-the-model is") == f"so [redacted {MODEL_KEY}] is"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_reply_cut_anywhere_shows_the_same_as_a_whole_one_and_no_secret(data):
    kind = data.draw(st.sampled_from(sorted(CANARIES)))
    form = data.draw(st.sampled_from(sorted(FORMS)))
    text = f"The value, in short: {FORMS[form](CANARIES[kind])} and `df.groupby('region')` follows.\nDone."
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12)))
    heard = []
    listen = Redaction(Redactor(NAMED)).listener(heard.append)
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        listen(Chunk(text=text[start:end]))
    listen(Chunk(finish="stop"))
    shown = "".join(chunk.text for chunk in heard)
    assert shown == Redactor(NAMED).text(text)
    assert leaks(shown, kind) == []


def test_ordinary_replies_stream_word_by_word():
    heard = []
    listen = Redaction(Redactor(NAMED)).listener(heard.append)
    for word in ("Let ", "me ", "look ", "at ", "the ", "table."):
        listen(Chunk(text=word))
    assert "".join(chunk.text for chunk in heard).startswith("Let me look at the")
