"""`codeact dataset`: what goes in, what comes out, what is never trained, what is kept in memory."""

import importlib.util
import json

import pytest
from learn_helpers import collection, edited, failed, good, keep, ran, refused, said, talk

from codeact_kernel import cli
from codeact_kernel.errors import ConfigError
from codeact_kernel.learn.dataset import Wanted, make
from codeact_kernel.learn.sources import rows_of

PLAIN = Wanted(hf=False)
INSTRUCT_ROW = {
    "id": "wiki-7",
    "conversations": [
        {"role": "system", "content": "You act."},
        {"role": "user", "content": "Task: how many rows?"},
        {"role": "assistant", "content": "Let me see. <execute> print(m) </execute>"},
        {"role": "user", "content": "Observation:\nNameError: name 'm' is not defined"},
        {"role": "assistant", "content": "Again. <execute> print(len(df)) </execute>"},
        {"role": "user", "content": "Observation:\n1234"},
        {"role": "assistant", "content": "The answer is <solution> 1234 </solution>"},
    ],
}


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def trained(row):
    return [m["content"][start:end] for m in row["messages"] for start, end in m["trained"]]


def test_a_collection_becomes_rows_by_split_and_held_out_tasks_never_do(tmp_path):
    talks = [
        (good("a?"), True, "train", "tables"),
        (good("b?"), False, "train", "tables"),
        (good("c?"), True, "validation", "maths"),
        (good("d?"), True, "held-out", "texts"),
        (good("a?"), True, "train", "tables"),
    ]
    made = make([collection(tmp_path / "c", talks)], tmp_path / "data", PLAIN)
    rows = lines(tmp_path / "data/train.jsonl")
    assert [row["messages"][1]["content"].rpartition("Task: ")[2] for row in rows] == ["a?"]
    assert len(lines(tmp_path / "data/validation.jsonl")) == 1
    assert rows[0]["family"] == "tables"
    assert (made.funnel.seen, made.funnel.kept) == (5, 2)
    assert "d?" not in "".join(path.read_text("utf-8") for path in (tmp_path / "data").glob("*.jsonl"))


def test_only_sound_replies_are_trained_and_with_errors_the_failed_ones_too(tmp_path):
    place = collection(tmp_path / "c", [(good(), True, "train", "rows")])
    make([place], tmp_path / "sound", PLAIN)
    make([place], tmp_path / "all", Wanted(hf=False, errors=True))
    sound, everything = (trained(lines(tmp_path / name / "train.jsonl")[0]) for name in ("sound", "all"))
    assert len(sound) == 3
    assert len(everything) == 4
    assert "print(m)" in everything[0]
    assert "print(m)" not in "".join(sound)
    assert sound[-1] == "There are 1234 rows."


def test_what_a_person_wrote_or_refused_is_in_the_row_and_never_trained(tmp_path):
    turns = talk(
        lambda t: refused(t, "import os; os.remove('x')"),
        lambda t: edited(t, "print(proposal)", "print(the_human_code)", "1234\n"),
        lambda t: ran(t, "print(df.shape)", "(1234, 2)\n"),
        lambda t: said(t, "There are 1234 rows."),
    )
    make(
        [collection(tmp_path / "c", [(turns, True, "train", "rows")])],
        tmp_path / "data",
        Wanted(hf=False, errors=True),
    )
    row = lines(tmp_path / "data/train.jsonl")[0]
    assert "the_human_code" in "".join(m["content"] for m in row["messages"])
    taught = "".join(trained(row))
    assert "print(df.shape)" in taught
    assert not any(word in taught for word in ("the_human_code", "proposal", "os.remove", "NameError", "1234, 2"))


def test_published_rows_go_in_and_come_out_as_they_were(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps(INSTRUCT_ROW) + "\n" + "not json\n")
    made = make([source], tmp_path / "data", PLAIN)
    assert lines(tmp_path / "data/codeact-instruct.jsonl") == [INSTRUCT_ROW]
    row = lines(tmp_path / "data/train.jsonl")[0]
    assert [(m["role"], m["content"]) for m in row["messages"]] == [
        (m["role"], m["content"]) for m in INSTRUCT_ROW["conversations"]
    ]
    assert len(trained(row)) == 2
    assert made.funnel.dropped["readable"] == 1


def test_an_episode_comes_out_in_the_row_format_of_codeactinstruct(tmp_path):
    make([collection(tmp_path / "c", [(good(), True, "train", "rows")])], tmp_path / "data", PLAIN)
    row = lines(tmp_path / "data/codeact-instruct.jsonl")[0]
    said = row["conversations"]
    assert set(row) == {"id", "conversations"}
    assert "<execute>\nprint(len(df))\n</execute>" in said[4]["content"]
    assert said[-1]["content"] == "<solution> There are 1234 rows. </solution>"


def test_general_conversations_are_mixed_in_by_ratio_and_the_draw_repeats(tmp_path):
    general = tmp_path / "general.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": f"A{n}"}]}
        for n in range(8)
    ]
    rows[3] = {"conversations": [{"from": "human", "value": "Q3"}, {"from": "gpt", "value": "A3"}]}
    general.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"messages": "none"}]))
    place = collection(tmp_path / "c", [(good(f"{n}?"), True, "train", "rows") for n in range(2)])
    drawn = []
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        make([place], tmp_path / name, Wanted(hf=False, general=general, ratio=2.0, seed=seed))
        found = [row for row in lines(tmp_path / name / "train.jsonl") if row["source"] == "general"]
        drawn.append([row["messages"][0]["content"] for row in found])
        assert all(trained(row) == [row["messages"][1]["content"]] for row in found)
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1] != drawn[2]


def test_secrets_are_taken_out_before_anything_is_written(tmp_path, monkeypatch):
    secret = "sk-proj-" + "Ab3" * 16
    turns = talk(
        lambda t: ran(t, f"key = '{secret}'", "(no output)"),
        lambda t: ran(t, "print(len(df))", "1234\n"),
        lambda t: said(t, "There are 1234 rows."),
    )
    made = make([collection(tmp_path / "c", [(turns, True, "train", "rows")])], tmp_path / "data", PLAIN)
    assert made.funnel.redacted == 1
    for path in (tmp_path / "data").iterdir():
        assert secret not in path.read_text("utf-8")


def test_the_command_prints_the_funnel_and_writes_a_card_and_a_picture(tmp_path, capsys):
    talks = [(good(f"{n}?"), n != 1, "train", "tables") for n in range(4)]
    place = collection(tmp_path / "c", talks)
    (place / "episodes/broken.ipynb").write_text("{")
    assert cli.main(["dataset", str(place), "--out", str(tmp_path / "data"), "--no-hf"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[-4:] for line in shown.splitlines() if line.startswith("solved")] == [
        ["1", "dropped", "3", "left"]
    ]
    card = (tmp_path / "data/README.md").read_text("utf-8")
    assert "| readable | 1 | 4 |" in card
    assert "| tables | 3 |" in card
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "data/funnel.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((tmp_path / "data/funnel.json").read_text())
    assert facts["rows"]["train.jsonl"] == 3


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["nowhere"], "There are no episodes at"),
        (["{empty}"], "holds no episodes"),
        (["{place}", "--min-turns", "9"], "dropped by the rule 'more than 8 turns'"),
        (["{place}", "--general", "gone.jsonl"], "gone.jsonl cannot be read"),
        (["{place}", "--ratio", "-1"], "--ratio must be 0 or more"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing_half_done(more, sentence, tmp_path, capsys):
    place = collection(tmp_path / "c", [(good(), True, "train", "rows")])
    (tmp_path / "empty").mkdir()
    words = [word.format(place=place, empty=tmp_path / "empty") for word in more]
    assert cli.main(["dataset", *words, "--out", str(tmp_path / "data"), "--no-hf"]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []


def test_an_episode_without_a_checker_counts_only_where_that_is_asked_for(tmp_path):
    (tmp_path / "own").mkdir()
    path = keep(tmp_path / "own", good())
    with pytest.raises(ConfigError, match="'solved'"):
        make([path], tmp_path / "data", PLAIN)
    assert make([path], tmp_path / "data", Wanted(hf=False, unchecked=True)).rows["train.jsonl"] == 1


def test_an_episode_that_somebody_edited_is_not_learnt_from(tmp_path):
    place = collection(tmp_path / "c", [(good("a?"), True, "train", ""), (good("b?"), True, "train", "")])
    path = place / "episodes/case-0.code.1.ipynb"
    path.write_text(path.read_text().replace("There are 1234 rows", "There are 9999 rows"))
    made = make([place], tmp_path / "data", PLAIN)
    assert made.funnel.dropped == {"whole": 1}


def test_results_are_read_row_by_row_whatever_their_layout(tmp_path):
    rows = [{"case": f"c{n}", "scores": {"solved": n % 2}, "note": "]},{" * 5000} for n in range(50)]
    for indent in (None, 1):
        path = tmp_path / "results.json"
        path.write_text(json.dumps({"about": {"a": [1]}, "rows": rows}, indent=indent))
        assert list(rows_of(path)) == rows
    path.write_text(path.read_text()[:-2000])
    with pytest.raises(ConfigError, match="cut off"):
        list(rows_of(path))


def test_hf_datasets_on_disk_hold_the_same_rows(tmp_path):
    datasets = pytest.importorskip("datasets")
    talks = [
        (good("a?"), True, "train", "x"),
        (good("b?"), True, "validation", "x"),
        (failing(), False, "train", "x"),
    ]
    make([collection(tmp_path / "c", talks)], tmp_path / "data", Wanted())
    found = datasets.load_from_disk(str(tmp_path / "data/hf"))
    for split in ("train", "validation"):
        assert found[split].to_list() == lines(tmp_path / f"data/{split}.jsonl")
    assert not list((tmp_path / "data").glob(".hf*"))


def failing():
    return talk(failed, failed, lambda t: said(t, "I cannot."))
