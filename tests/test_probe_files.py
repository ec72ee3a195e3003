"""What the model is told of files: nothing that looks private, nothing that is ours."""

import time

from codeact_kernel.agent import probe
from codeact_kernel.agent.probe_files import heads_of


def test_what_private_files_hold_is_not_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    private = ("credentials.json", "api_key.txt", "prod.env.txt", "auth-tokens.csv", "id_rsa.txt", "passwords.log",
               "keys/plain.csv", "app.yaml", "config.xml", "my_secrets.db")  # fmt: skip
    plain = ("authors.csv", "keywords.csv", "tokenized.txt", "environment.json", "server.log")
    for name in (*private, *plain):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("s3cret\n")
    found = probe.report({})
    assert set(found["files"]) == {*private, *plain}
    assert set(found["heads"]) == set(plain)


def test_our_own_episodes_are_no_files_of_the_users(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = '{"event": "open", "at": "2026-01-01T00:00:00.000Z"}\n'
    texts = {
        "episodes/old.ipynb": "{}",
        "episodes/notes.csv": "a\n",
        "work.ipynb": "{}",
        "work.jsonl": journal,
        ".work2.lock": "",
        "data.ipynb": "{}",
        "data.jsonl": '{"a": 1}\n',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = probe.report({})
    assert list(found["files"]) == ["data.ipynb", "data.jsonl", "work.ipynb"]
    assert list(found["heads"]) == ["data.jsonl"]


def test_a_table_shows_the_values_of_columns_that_take_few(tmp_path):
    rows = [f"{n},{'active' if n % 3 else 'lost'},{n % 2}" for n in range(30)]
    (tmp_path / "people.csv").write_text("id,status,flag\n" + "\n".join(rows) + "\n")
    (tmp_path / "short.csv").write_text("status\nactive\nlost\n")
    heads = heads_of(str(tmp_path), {"people.csv": 1, "short.csv": 1}, time.perf_counter() + 5)
    assert heads["people.csv"][-1] == "values: status is one of active, lost"
    assert heads["short.csv"] == ["status", "active", "lost"]


def test_a_column_typed_by_hand_is_said_to_differ_in_capitals_and_spaces(tmp_path):
    towns = ["Bonn", "bonn", " Bonn", "Ulm ", "ULM"]
    (tmp_path / "survey.csv").write_text("id,town\n" + "".join(f"{n},{towns[n % 5]}\n" for n in range(30)))
    heads = heads_of(str(tmp_path), {"survey.csv": 1}, time.perf_counter() + 5)
    assert (
        heads["survey.csv"][-1]
        == "values: town differs in capitals and spaces: ' Bonn', 'Bonn', 'ULM', 'Ulm ', ..."
    )
