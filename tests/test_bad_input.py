"""What goes wrong in real life, through `%codeact` in one real kernel: one clear sentence, and the kernel lives."""

from __future__ import annotations

import json
import time

import pytest
from episode_helpers import load
from faultserver import FaultServer, Reply, chat, error
from kernel_client import block, started

from codeact_kernel.episode.chat import check_messages
from codeact_kernel.models import weights

KEY = "sk-secret-of-the-user"
ENDED = {"done", "failed", "limit", "interrupted"}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "data.csv").write_text("a\n1\n")
    with started(folder, OPENAI_API_KEY=KEY) as notebook:
        yield notebook


@pytest.fixture
def nb(kernel):
    """The kernel with a fresh conversation; after each test it must compute, and its episodes be whole."""
    kernel.run(f"%reset -f\n%cd -q {kernel.folder}\n%reload_ext codeact_kernel\n%config CodeAct.retries = 1")
    kernel.run("%config CodeAct.base_url = ''")
    for path in kernel.episodes():
        path.unlink()
    yield kernel
    assert kernel.run("print(6 * 7)")[1] == "42\n"
    assert kernel.run("6 * 7")[1] == "42"
    for path in kernel.episodes():
        assert load(path)["metadata"]["codeact"]["status"] in ENDED
        assert check_messages(load(path)) == []
        assert KEY not in path.read_text()
    assert not list((kernel.folder / "episodes").glob("*.jsonl"))


def ask(nb, *replies, options="--approve auto", task="go", **more):
    reply, text = nb.run(f"%codeact {options} -m {nb.script(*replies)} {task}", **more)
    assert reply["status"] == "ok", text
    return text


def records(nb):
    return [cell.metadata.codeact.get("record") or {} for cell in nb.episode().cells]


def observations(nb):
    return [record["observation"]["text"] for record in records(nb) if record.get("observation")]


def sentence(text):
    """Return the one line that says why there is no answer."""
    (line,) = [line for line in text.splitlines() if line.startswith(("failed: ", "UsageError: "))]
    assert "Traceback" not in text
    assert KEY not in text
    return line


# -- endpoints

PAGE = Reply(200, (b"<html><body>Please sign in</body></html>",), {"Content-Type": "text/html"}, "length")


@pytest.mark.parametrize(
    ("reply", "words", "asked"),
    [
        (error(401, f"Incorrect API key: {KEY}"), "OPENAI_API_KEY was refused", 1),
        (error(404, "no such model"), "knows no model 'gpt-x'", 1),
        (error(429, "Rate limit reached"), "429: Rate limit reached", 2),
        (error(500, "boom"), "500: boom", 2),
        (PAGE, "text/html", 1),
        (chat("```python\nopen('ran', 'w')\n```", finish=None), "nothing of it was run", 2),
        (Reply(200, (b"data: {oops\n\n",), end="cut"), "nothing of it was run", 2),
    ],
    ids=["401", "404", "429", "500", "html", "cut", "garbage"],
)
def test_an_endpoint_that_fails_is_one_sentence(nb, reply, words, asked):
    with FaultServer([reply]) as server:
        nb.run(f"%config CodeAct.base_url = {server.url!r}")
        result, text = nb.run("%codeact -m openai:gpt-x go")
        assert len(server.requests) == asked
        assert server.keys[0] == f"bearer {KEY}"
    assert result["status"] == "ok"
    assert words in sentence(text)
    assert "thinking" not in text
    assert nb.episode().metadata.codeact.status == "failed"
    assert not (nb.folder / "ran").exists()


def test_an_endpoint_that_recovers_is_used(nb):
    with FaultServer([error(429, "slow down"), chat(block("print(7)")), chat("It is 7.")]) as server:
        nb.run(f"%config CodeAct.base_url = {server.url!r}")
        text = nb.run("%codeact -m openai:gpt-x go")[1]
    assert "It is 7." in text
    assert nb.episode().metadata.codeact.status == "done"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "ftp://example.invalid", "nonsense"])
def test_an_address_where_nobody_answers_is_named(nb, url):
    nb.run(f"%config CodeAct.base_url = {url!r}")
    assert "cannot be reached" in sentence(nb.run("%codeact -m openai:gpt-x go")[1])


# -- models and weights


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("llamacpp:qwen2.5-coder-1.5", "did you mean"),
        ("llamacpp:", "no name after the colon"),
        ("nosuch:thing", "codeact models list"),
        ("scripted:nowhere.jsonl", "nowhere.jsonl"),
        ("scripted:data.csv", "data.csv is not"),
        ("gguf:missing.gguf", "No such file"),
        ("gguf:.", "Is a directory"),
        ("gguf:data.csv", "not a GGUF file"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_sentence(nb, spec, words):
    nb.run("import os\ndel os.environ['OPENAI_API_KEY']")
    try:
        reply, text = nb.run(f"%codeact -m {spec} go")
    finally:
        nb.run(f"os.environ['OPENAI_API_KEY'] = {KEY!r}")
    assert reply["status"] == "error"
    assert words in sentence(text)
    assert nb.episodes() == []


@pytest.mark.model
def test_weights_that_were_cut_off_are_named(nb, tmp_path):
    pytest.importorskip(
        "xllamacpp", reason="the embedded model's runtime is not installed: pip install '.[local]'"
    )
    whole = weights.where("qwen2.5-coder-0.5b")
    if whole is None:
        pytest.skip("the weights are not here; run `codeact models pull qwen2.5-coder-0.5b`")
    with whole.open("rb") as file:
        (tmp_path / "cut.gguf").write_bytes(file.read(3_000_000))
    text = nb.run(f"%codeact -m gguf:{tmp_path / 'cut.gguf'} go")[1]
    assert "check the weights" in sentence(text)
    assert nb.episode().metadata.codeact.status == "failed"


# -- tasks


@pytest.mark.parametrize("cell", ["%codeact", "%%codeact\n   \n", "%codeact -m MODEL   "])
def test_an_empty_task_is_refused(nb, cell):
    reply, text = nb.run(cell.replace("MODEL", nb.script("Yes.")))
    assert reply["status"] == "error"
    assert "empty" in sentence(text)
    assert nb.episodes() == []


def test_a_second_task_while_one_runs_is_refused_and_the_first_goes_on(nb):
    first = nb.script({"text": block("print(7)"), "delay_s": 1}, "It is 7.")
    text = nb.run(
        "import asyncio\n"
        "def ask(model):\n"
        "    return get_ipython().run_line_magic('codeact', f'-m {model} go')\n"
        f"got = await asyncio.gather(ask({first!r}), ask({nb.script('Two.')!r}), return_exceptions=True)\n"
        "print('got', got[0], '|', got[1])"
    )[1]
    assert "got It is 7. | The agent is at work in this kernel for a %codeact cell, with the task “go”" in text
    assert nb.episode().metadata.codeact.status == "done"
    assert "Next." in ask(nb, "Next.")


# -- replies and outputs


@pytest.mark.parametrize("odd", ["nul \0 in it", "half \ud83d of a pair", "esc \x1b[2J clears"])
def test_odd_characters_in_replies_and_outputs_are_kept_and_shown(nb, odd):
    text = ask(nb, f"{odd}\n{block(f'x = {odd!r}; print(x)')}", f"Answer: {odd}.")
    assert "step 1" in text
    assert "Answer: " in text
    assert "Traceback" not in text
    (first, *_) = [record["text"] for record in records(nb) if record.get("request")]
    assert json.loads(json.dumps(first)).startswith(odd.replace("\ud83d", first[5]))
    assert "Output:" in observations(nb)[0]
    assert "ERROR" not in observations(nb)[0]


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * 10**8)",
        "'x' * 10**8",
        "import sys\nprint('x' * 10**8, file=sys.stderr)\nraise ValueError('x' * 10**8)",
    ],
    ids=["print", "result", "error"],
)
def test_a_hundred_megabytes_of_output_stay_small_and_quick(nb, code):
    began = time.monotonic()
    text = ask(nb, block(code), block("print('and on')"), "Done.")
    assert time.monotonic() - began < 30
    assert "Done." in text
    (path,) = nb.episodes()
    assert path.stat().st_size < 3_000_000
    assert len(observations(nb)[0]) < 8_000
    assert "left out" in observations(nb)[0]
    assert "and on" in observations(nb)[1]


HOSTILE = """
import time
seconds = 10
class Raises:
    def __repr__(self):
        raise RuntimeError("no repr")
class Exits:
    def __repr__(self):
        raise SystemExit(3)
class Recurses:
    def __repr__(self):
        return repr(self)
class Sleeps:
    def __repr__(self):
        time.sleep(seconds)
        return "slept"
class Endless:
    def __repr__(self):
        return "x" * 10**6
    def __len__(self):
        return -1
    def __getattr__(self, name):
        raise KeyError(name)
things = [Raises(), Exits(), Recurses(), Sleeps(), Endless()]
raises, exits, recurses, sleeps, endless = things
"""


def test_hostile_objects_in_the_namespace_cost_little(nb):
    nb.run(HOSTILE)
    began = time.monotonic()
    text = ask(nb, block("mine = things[:]\nprint(len(mine))"), "There are 5.")
    assert time.monotonic() - began < 5
    assert "There are 5." in text
    assert "5" in observations(nb)[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "RuntimeError: no repr"),
        ("recurses", "RecursionError"),
        ("endless", "xxx"),
        ("exits", "SystemExit"),
        ("sleeps", "slept"),
    ],
)
def test_hostile_results_are_an_observation(nb, name, words):
    nb.run(HOSTILE + "seconds = 2")  # a result is displayed as in any cell, however long its repr takes
    text = ask(nb, block(name), block("print('and on')"), "Done.")
    assert "Done." in text
    assert words in observations(nb)[0]
    assert "and on" in observations(nb)[1]
    assert nb.episodes()[0].stat().st_size < 3_000_000


def test_a_key_that_was_typed_in_a_cell_is_not_kept(nb):
    nb.run(f"import os\nos.environ['OPENAI_API_KEY'] = {KEY!r}")
    ask(nb, "Yes.", "Yes.")
    nb.run(f"again = {KEY!r} == os.environ['OPENAI_API_KEY']\nprint(again)")
    ask(nb, "Yes.", "Yes.", task="and now?")
    marked = [
        cell.metadata.codeact.kind for cell in nb.episode().cells if "[redacted OPENAI_API_KEY]" in cell.source
    ]
    assert set(marked) == {"prelude", "human"}
    assert KEY not in nb.episodes()[0].read_text()


# -- code that breaks the ground it stands on


@pytest.mark.parametrize(
    "code",
    [
        "import io, sys\nsys.stdout = sys.stderr = io.StringIO()",
        "import sys\nsys.stdout.close()",
        "import sys\ndel sys.stdout",
        "import os, pathlib\npathlib.Path('sub').mkdir(exist_ok=True)\nos.chdir('sub')",
        "import os, tempfile\nhere = tempfile.mkdtemp()\nos.chdir(here)\nos.rmdir(here)",
        "del get_ipython",
        "del In, Out, _",
        "import builtins\nprint = input = open = None",
        "import sys\nsys.setrecursionlimit(90)",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import asyncio\nasyncio.get_running_loop().set_debug(True)",
        "import warnings\nwarnings.simplefilter('error')",
        "exit()",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "import os\nos.environ.clear()",
    ],
)
def test_a_cell_that_breaks_its_surroundings_ends_no_episode(nb, code):
    nb.run("import os, sys, warnings\nkept = dict(os.environ), warnings.filters[:]")
    replies = [block(code), block("import builtins\nbuiltins.print('and on')"), "Done.", "Done."]
    result, text = nb.run(f"%codeact --approve auto -m {nb.script(*replies)} go")
    nb.run("os.environ.update(kept[0]); warnings.filters[:] = kept[1]; sys.setrecursionlimit(3000)")
    nb.run("globals().pop('print', None); globals().pop('input', None); globals().pop('open', None)")
    assert nb.episode().metadata.codeact.status in ENDED
    if code != "raise KeyboardInterrupt":
        assert result["status"] == "ok", text
        assert "Done." in text
        assert "and on" in observations(nb)[1]
