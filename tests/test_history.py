"""What the user ran, as an episode keeps it: nothing of it lost, nothing of ours in it, and it runs again."""

from __future__ import annotations

import nbformat
import pytest
from episode_helpers import load
from hypothesis import given
from hypothesis import strategies as st
from kernel_client import block, started
from nbclient import NotebookClient

from codeact_kernel.episode.chat import check_messages, conversation
from codeact_kernel.episode.notebook import verify
from codeact_kernel.history import cut

READ = "print(open('{name}').read())"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("notebook")) as notebook:
        yield notebook


@pytest.fixture
def nb(kernel):
    kernel.run("%unload_ext codeact_kernel")
    kernel.run("%reset -f")
    kernel.run(f"import os; os.chdir({str(kernel.folder)!r})")
    kernel.run("get_ipython().history_manager.reset(); get_ipython().execution_count = 1")
    for path in kernel.episodes():
        path.unlink()
    return kernel


def sources(notebook, kind):
    """The user's cells of a kind, without the one that goes to the working folder."""
    found = [cell for cell in notebook.cells if cell.metadata.codeact.kind == kind]
    return [cell.source for cell in found if not cell.metadata.codeact.get("role")]


def execute_episode(path):
    """Run an episode in its own folder, as `jupyter execute` does; raises where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


class TestCut:
    @pytest.mark.parametrize(
        ("source", "pieces"),
        [
            ("x = 1", ["x = 1"]),
            ("%load_ext codeact_kernel\nx = 1", ["x = 1"]),
            ("x = 1\n%codeact go\ny = 2", ["x = 1", "y = 2"]),
            ("  x = 1\n  %codeact go", ["x = 1", ""]),
            ("%codeact go \\\n  on and on\ny = 2", ["", "y = 2"]),
            ("%%codeact\ngo\nx = 1", ["", ""]),
            ("%%time\n%codeact go\nx = 1", ["", "x = 1"]),
            ("%codeact a\n%codeact b", ["", "", ""]),
            ("print('%codeact')", ["print('%codeact')"]),
            ("x = 7 %codeact", ["x = 7 %codeact"]),
            ("%codeactual\n%load_ext codeact_kernels", ["%codeactual\n%load_ext codeact_kernels"]),
            ("for _ in a:\n    %codeact go\n    b = 1", ["for _ in a:\n    pass\n    b = 1"]),
        ],
    )
    def test_only_our_lines_go(self, source, pieces):
        assert [piece.source for piece in cut(source)] == pieces

    @pytest.mark.parametrize(
        ("source", "lost"),
        [
            ("x = 1\n%codeact go\ny = 2", False),
            ("answer = %codeact go\nprint(answer)", True),
            ("%codeact -o answer go\nprint(answer)", True),
            ("if x:\n    %codeact go", True),
            ("if x:\n    %load_ext codeact_kernel", False),
            ("await get_ipython().run_line_magic('codeact', 'go')", True),
        ],
    )
    def test_it_says_when_something_cannot_run_again(self, source, lost):
        assert any(piece.lost for piece in cut(source)) is lost

    @given(
        st.lists(
            st.sampled_from(["a = 1", "b = a", "%codeact go", "%load_ext codeact_kernel", "", "c = %codeact x"]),
            max_size=8,
        )
    )
    def test_the_users_lines_stay_in_order_and_no_magic_stays(self, lines):
        pieces = cut("\n".join(lines))
        kept = [line for piece in pieces for line in piece.source.split("\n") if line]
        assert kept == [line for line in lines if line and "%" not in line]
        assert len(pieces) == 1 + sum("%codeact" in line for line in lines)


def test_what_a_cell_did_before_its_task_is_in_the_prelude(nb):
    nb.run("%load_ext codeact_kernel\nfactor = 7")
    script = nb.script(block("print(sum(rows) * factor)"), "It is 42.")
    nb.run(f"import json\nrows = [1, 2, 3]\n\n%codeact -m {script} sum?")
    notebook = nb.episode()
    assert sources(notebook, "prelude")[-2:] == ["factor = 7", "import json\nrows = [1, 2, 3]"]
    assert notebook.metadata.codeact.prelude_complete is True
    again = execute_episode(nb.episodes()[0])
    action = next(cell for cell in again.cells if cell.metadata.codeact.kind == "action")
    assert action.outputs[0]["text"] == "42\n"


def test_in_the_cell_that_loads_the_extension_it_says_why_it_did_not_run(nb):
    _, text = nb.run(f"%load_ext codeact_kernel\nx = 1\n%codeact -m {nb.script('Yes.')} go")
    assert text.count("%codeact did not run") == 1
    assert "Yes." not in text


def test_code_between_and_after_the_tasks_of_one_cell_is_kept(nb):
    nb.run("%load_ext codeact_kernel")
    model, second = nb.script("One."), nb.script("Two.")
    nb.run(f"a = 1\n%codeact -m {model} one\nb = 2\n%codeact -m {second} two\nc = 3")
    nb.run(f"%codeact -m {nb.script('Three.')} three")
    notebook = nb.episode()
    assert sources(notebook, "prelude")[-1] == "a = 1"
    assert sources(notebook, "human") == ["b = 2", "c = 3"]
    execute_episode(nb.episodes()[0])


def test_what_a_failed_magic_kept_from_running_is_not_kept(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%codeact -m {nb.script('One.')} one")
    nb.run("a = 1\n%codeact -m scripted:/nonexistent.jsonl two\nb = 2")
    nb.run("c = 1\n%codeact --nonsense two\nd = 2")
    nb.run(f"%codeact -m {nb.script('Three.')} three")
    assert sources(nb.episode(), "human") == ["a = 1", "c = 1"]


def test_a_task_inside_a_block_says_that_the_prelude_is_not_whole(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"for _ in [1]:\n    %codeact -m {nb.script('One.')} one\n    after = 1")
    assert nb.episode().metadata.codeact.prelude_complete is False
    nb.run(f"%codeact -m {nb.script('Two.')} two")
    assert sources(nb.episode(), "human") == ["for _ in [1]:\n    pass\n    after = 1"]
    execute_episode(nb.episodes()[0])


def test_a_later_episode_in_the_same_kernel_runs_again_too(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"answer = %codeact -m {nb.script(block('made = 41'), 'Made.')} make\nprint(answer)")
    nb.run("%codeact reset")
    for path in nb.episodes():
        path.unlink()
    nb.run(f"%codeact -m {nb.script(block('print(made + 1)'), 'It is 42.')} more")
    notebook = nb.episode()
    assert "made = 41" in sources(notebook, "prelude")
    assert notebook.metadata.codeact.prelude_complete is False
    again = execute_episode(nb.episodes()[0])
    action = next(cell for cell in again.cells if cell.metadata.codeact.kind == "action")
    assert action.outputs[0]["text"] == "42\n"


def test_an_episode_runs_again_although_cells_of_the_user_failed(nb):
    nb.run("1 / 0")
    nb.run("%load_ext codeact_kernel")
    nb.run("total = undefined_thing + 1")
    nb.run(f"%codeact -m {nb.script(block('total = 1'), 'It was not defined.')} fix")
    nb.run("total.upper()")
    nb.run(f"%codeact -m {nb.script(block('total += 1'), 'Fixed.')} fix")
    notebook = nb.episode()
    tags = {cell.source: cell.metadata.get("tags", []) for cell in notebook.cells if cell.cell_type == "code"}
    assert tags["1 / 0"] == tags["total = undefined_thing + 1"] == tags["total.upper()"] == ["raises-exception"]
    assert tags["total = 1"] == []
    assert notebook.metadata.codeact.prelude_complete is True
    execute_episode(nb.episodes()[0])


def test_an_episode_about_a_file_runs_in_its_own_folder(nb):
    (nb.folder / "data").mkdir(exist_ok=True)
    (nb.folder / "data" / "sales.csv").write_text("region,n\nnorth,41\n")
    (nb.folder / "here.txt").write_text("here")
    nb.run("words = open('here.txt').read()")
    nb.run("%cd data")
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%config CodeAct.episodes_dir = '{nb.folder / 'episodes'}'")
    nb.run(f"%codeact -m {nb.script(block(READ.format(name='sales.csv')), 'North.')} which?")
    notebook = nb.episode()
    assert notebook.metadata.codeact.cwd == ".."
    again = execute_episode(nb.episodes()[0])
    action = next(cell for cell in again.cells if cell.metadata.codeact.kind == "action")
    assert "north,41" in action.outputs[0]["text"]


def test_run_all_twice_in_one_kernel_stays_in_the_working_folder(nb):
    (nb.folder / "here.txt").write_text("here")
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%codeact -m {nb.script(block(READ.format(name='here.txt')), 'Here.')} read")
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    notebook.cells = [nbformat.from_dict(cell) for _ in (1, 2) for cell in notebook.cells]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"c{number}"
    NotebookClient(notebook, resources={"metadata": {"path": str(nb.folder / "episodes")}}).execute()
    actions = [cell for cell in notebook.cells if cell.metadata.codeact.kind == "action"]
    assert [cell.outputs[0]["text"] for cell in actions] == ["here\n", "here\n"]


def test_cells_of_the_user_survive_a_task_that_could_not_begin(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%codeact -m {nb.script('One.')} one")
    nb.run("mine = 1")
    nb.run("%codeact -m scripted:/nonexistent.jsonl two")
    nb.run("%codeact --max-steps many two")
    nb.run(f"%codeact -m {nb.script('Two.')} two")
    nb.run(f"%codeact -m {nb.script('Three.')} three")
    assert sources(nb.episode(), "human") == ["mine = 1"]


def restart(nb):
    """As a restarted kernel looks to us: nothing is known of the conversation, nor of variables."""
    nb.run("%unload_ext codeact_kernel")
    nb.run("%reset -f")
    nb.run("%load_ext codeact_kernel")


def test_a_saved_answer_brings_its_conversation_back(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%codeact -m {nb.script(block('n = 41'), 'There are 41.')} how many?", cell_id="c1")
    restart(nb)
    _, text = nb.run("%codeact -m scripted:/nonexistent.jsonl how many?", cell_id="c1")
    assert "There are 41." in text
    nb.run(f"%codeact -m {nb.script(block('m = 42'), 'And 42.')} and by month?", cell_id="c2")
    nb.run(f"%codeact -m {nb.script('Three.')} and more?", cell_id="c3")
    (path,) = nb.episodes()
    notebook = load(path)
    tasks = [
        cell["metadata"]["codeact"]["record"]["content"]
        for cell in notebook["cells"]
        if cell["metadata"]["codeact"]["kind"] == "task"
    ]
    assert len(tasks) == 3
    assert tasks[1].startswith("The kernel was restarted since")
    assert "The kernel has no variables yet." in tasks[1]
    assert "restarted" not in tasks[0] + tasks[2]
    assert check_messages(notebook) == []
    assert verify(notebook) == []
    assert [getattr(turn, "index", 0) for turn in conversation(notebook)[1]] == [0, 1, 2, 0, 3, 4, 0, 5]
    nb.run("%codeact reset")
    nb.run(f"%codeact -m {nb.script('Anew.')} anew", cell_id="c4")
    assert len(nb.episodes()) == 2


def test_an_episode_that_was_damaged_does_not_keep_its_cell_from_running(nb):
    nb.run("%load_ext codeact_kernel")
    nb.run(f"%codeact -m {nb.script('First.')} tell me", cell_id="c1")
    path = nb.episodes()[0]
    path.write_bytes(path.read_bytes()[:-300])
    restart(nb)
    reply, text = nb.run(f"%codeact -m {nb.script('Second.')} tell me", cell_id="c1")
    assert reply["status"] == "ok"
    assert "Second." in text


def test_an_episode_that_cannot_be_saved_says_so_at_the_end_of_each_task_and_moves(nb):
    nb.run("%load_ext codeact_kernel")
    (nb.folder / "blocked").write_text("x")
    nb.run("%config CodeAct.episodes_dir = 'blocked/episodes'")
    for words in ("One.", "Two."):
        _, text = nb.run(f"%codeact -m {nb.script(block('1'), words)} go")
        end = text[text.rindex("step 2") if "step 2" in text else 0 :]
        assert "could not be saved" in end
        assert "%codeact save" in end
    assert "in kept.ipynb now" in nb.run("%codeact save kept.ipynb")[1]
    _, text = nb.run(f"%codeact -m {nb.script('Three.')} go")
    assert "saved" not in text
    kinds = [cell["metadata"]["codeact"]["kind"] for cell in load(nb.folder / "kept.ipynb")["cells"]]
    assert kinds.count("task") == 3
    (nb.folder / "kept.ipynb").unlink()


def test_a_task_may_ask_to_save_something(nb):
    nb.run("%load_ext codeact_kernel")
    _, text = nb.run(f"%codeact -m {nb.script('Saved.')} save the frame into clean.csv")
    assert "Saved." in text
