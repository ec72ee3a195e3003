"""What the model is told of files: nothing that looks private, nothing that is ours."""

from codeact_kernel.agent import probe


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
