"""Where an episode lies: beside other people's files, in another folder than its data, picked up again later."""

from __future__ import annotations

import nbformat
import pytest
from episode_helpers import answer, create, header, load, names, small_turns, write

from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import mark_of, source_of
from codeact_kernel.episode.notebook import verify
from codeact_kernel.episode.schema import check
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.types import Outcome, TaskTurn

DATA = '{"region": "north"}\n'


def more(turns):
    task = TaskTurn("And?", "Task: And?", "")
    return [task, answer([*turns, task], 8, "5")]


@pytest.mark.parametrize("name", ["episode.jsonl", "episode", "episode.json", "episode.IPYNB.txt"])
def test_only_a_notebook_can_be_named_as_the_episodes_file(tmp_path, name):
    with pytest.raises(ConfigError, match=r"ends in \.ipynb"):
        create(tmp_path, path=tmp_path / name)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("data", [DATA, ""])
def test_a_data_file_is_never_taken_for_the_journal_of_a_new_episode(tmp_path, data):
    (tmp_path / "sales.jsonl").write_text(data)
    with pytest.raises(ConfigError, match="a file of yours"):
        create(tmp_path, path=tmp_path / "sales.ipynb")
    assert names(tmp_path) == {"sales.jsonl"}
    assert (tmp_path / "sales.jsonl").read_text() == data


def test_a_data_file_that_appears_later_is_not_touched_by_a_follow_up(tmp_path):
    troubles: list[str] = []
    writer = create(tmp_path, path=tmp_path / "sales.ipynb", on_trouble=troubles.append)
    turns = small_turns()
    write(writer, turns)
    (tmp_path / "sales.jsonl").write_text(DATA)
    write(writer, more(turns))
    assert (tmp_path / "sales.jsonl").read_text() == DATA
    assert names(tmp_path) == {"sales.ipynb", "sales.jsonl"}
    assert chat.conversation(load(writer.path))[1] == [*turns, *more(turns)]
    assert len(troubles) == 1
    assert "sales.jsonl is another file" in troubles[0]


def test_the_working_folder_is_recorded_as_it_is_reached_from_the_episode(tmp_path):
    (tmp_path / "data" / "raw").mkdir(parents=True)
    writer = create(tmp_path / "episodes", cwd=tmp_path / "data" / "raw", prelude=["x = 1", "1 / 0"], failed={1})
    write(writer, small_turns())
    notebook = load(writer.path)
    assert notebook["metadata"]["codeact"]["cwd"] == "../data/raw"
    assert str(tmp_path) not in writer.path.read_text()
    prelude = [cell for cell in notebook["cells"] if mark_of(cell).get("kind") == "prelude"]
    assert [mark_of(cell).get("role") for cell in prelude] == ["cwd", None, None]
    assert "'../data/raw'" in source_of(prelude[0])
    assert [cell["metadata"].get("tags") for cell in prelude] == [None, None, ["raises-exception"]]
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in prelude)
    assert check(notebook) == []
    assert verify(notebook) == []
    nbformat.validate(nbformat.from_dict(notebook))
    assert chat.conversation(notebook)[1] == small_turns()


def test_an_episode_in_the_working_folder_needs_no_way_there(tmp_path):
    writer = create(tmp_path, cwd=tmp_path)
    write(writer, small_turns())
    notebook = load(writer.path)
    assert notebook["metadata"]["codeact"]["cwd"] == "."
    assert not [cell for cell in notebook["cells"] if mark_of(cell).get("kind") == "prelude"]


def test_saved_elsewhere_an_episode_still_finds_its_working_folder(tmp_path):
    (tmp_path / "a").mkdir()
    writer = create(tmp_path / "a" / "episodes", cwd=tmp_path / "a", prelude=["x = 1"])
    write(writer, small_turns())
    writer.save_as(tmp_path / "b.ipynb")
    notebook = load(tmp_path / "b.ipynb")
    assert notebook["metadata"]["codeact"]["cwd"] == "a"
    assert source_of(notebook["cells"][1]).count("'a'") == 2
    assert verify(notebook) == []


def test_a_finished_episode_is_gone_on_with(tmp_path):
    first = create(tmp_path, prelude=["import math"])
    turns = small_turns()
    write(first, turns)
    before = load(first.path)
    second = EpisodeWriter.resume(first.path)
    assert load(first.path) == before
    write(second, more(turns))
    notebook = load(first.path)
    assert names(tmp_path) == {first.path.name}
    assert notebook["cells"][1:-2] == before["cells"][1:]
    assert chat.conversation(notebook)[1] == [*turns, *more(turns)]
    assert chat.check_messages(notebook) == []
    assert verify(notebook) == []
    assert [task["status"] for task in notebook["metadata"]["codeact"]["tasks"]] == ["done", "done"]


def test_two_kernels_that_go_on_with_one_episode_do_not_mix(tmp_path):
    first = create(tmp_path)
    turns = small_turns()
    write(first, turns)
    second = EpisodeWriter.resume(first.path)
    write(first, more(turns))
    write(second, more(turns))
    assert first.path != second.path
    for writer in (first, second):
        assert chat.conversation(load(writer.path))[1] == [*turns, *more(turns)]
        assert verify(load(writer.path)) == []


def test_an_episode_that_did_not_end_is_not_gone_on_with(tmp_path):
    writer = create(tmp_path, header=header())
    write(writer, small_turns(), "running")
    with pytest.raises(EpisodeError, match="codeact recover"):
        EpisodeWriter.resume(writer.path)
    writer.close()
    with pytest.raises(EpisodeError):
        EpisodeWriter.resume(tmp_path / "nothing.ipynb")


def test_trouble_lasts_until_the_steps_are_on_the_disk(tmp_path):
    blocker = tmp_path / "episodes"
    blocker.write_text("x")
    writer = create(blocker)
    assert str(blocker) in writer.trouble
    write(writer, small_turns())
    assert "could not be saved" in writer.trouble
    blocker.unlink()
    write(writer, more(small_turns()), Outcome("done"))
    assert writer.trouble == ""
    assert names(blocker) == {writer.path.name}


def test_every_task_says_anew_that_it_cannot_be_saved(tmp_path):
    blocker = tmp_path / "episodes"
    blocker.write_text("x")
    troubles: list[str] = []
    writer = create(blocker, on_trouble=troubles.append)
    write(writer, small_turns())
    assert len(troubles) == 1
    write(writer, more(small_turns()))
    assert len(troubles) == 2
