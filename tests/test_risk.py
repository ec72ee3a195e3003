"""Risk labels: what a person is asked about, what nobody should be bothered with, and that reading never fails."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from risk_cells import BENIGN, RISKY, SEVERAL

from codeact_kernel.agent.risk import KINDS, SHOWN_ONLY, labels


@pytest.fixture
def folder(tmp_path):
    """A working folder with a few files in it, and a link that leads out of it."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    for name in ("here.csv", "plot_0.png", "sub/in.csv"):
        (work / name).write_text("x")
    (work / "link").symlink_to(tmp_path)
    return str(work)


def kinds(code, folder):
    return {risk.kind for risk in labels(code, cwd=folder)}


def words(code, folder):
    return {risk.words for risk in labels(code, cwd=folder)}


@pytest.mark.parametrize(("code", "kind"), RISKY)
def test_a_risky_cell_has_the_kind_of_its_risk(code, kind, folder):
    assert kind in kinds(code, folder)


@pytest.mark.parametrize(("code", "expected"), SEVERAL)
def test_a_cell_has_every_kind_of_its_risks(code, expected, folder):
    assert expected <= kinds(code, folder)


@pytest.mark.parametrize("code", BENIGN)
def test_ordinary_analysis_has_no_label(code, folder):
    assert labels(code, cwd=folder) == ()


def test_the_tables_are_large_enough_and_name_every_kind():
    assert len(RISKY) >= 60
    assert len(BENIGN) >= 60
    assert {kind for _, kind in RISKY} | {"rebind"} == set(KINDS)


def test_an_installation_alone_is_no_process(folder):
    assert kinds("!pip install lightgbm", folder) == {"install"}
    assert kinds("%pip list", folder) == {"subprocess"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import glob, os\nfor f in glob.glob('out/*.csv'):\n    os.remove(f)", "deletes files: out/*.csv"),
        ("con.execute('DROP TABLE a')", "deletes from a database: DROP TABLE a"),
        ("df.to_csv('here.csv')", "overwrites: here.csv"),
        ("df.to_csv(out)", "may overwrite a file: df.to_csv(out)"),
        ("os.rename('here.csv', 'b.csv')", "moves or renames files: here.csv, b.csv"),
        ("open('/srv/x', 'w')", "writes outside the working folder: /srv/x"),
        ("open('/etc/group')", "looks at system files: /etc/group"),
        ("import requests\nrequests.get(u)", "uses the network: requests.get"),
        ("pd.read_csv('https://example.org/a.csv')", "uses the network: https://example.org/a.csv"),
        ("!ls", "starts a process: !ls"),
        ("import subprocess as s\ns.run(['ls'])", "starts a process: s.run(['ls'])"),
        ("%pip install x", "installs packages: pip install x"),
        ("!pip uninstall -y x", "removes packages: pip uninstall -y x"),
        ("os.environ['OPENAI_API_KEY']", "reads keys: os.environ['OPENAI_API_KEY']"),
        ("key = 'API_KEY'\nos.environ.get(key)", "reads keys: os.environ.get('API_KEY')"),
        ("os.getenv('API_KEY')", "reads keys: os.getenv('API_KEY')"),
        ("os.environ[name]", "reads keys: os.environ[name]"),
        ("print(os.environ)", "reads keys: os.environ, the whole environment"),
        ("open('secrets.json')", "names a private file: secrets.json"),
        ("eval(text)", "runs code made at run time: eval"),
        ("import pickle\npickle.load(f)", "unpickles, which can run any code: pickle.load"),
        ("import ctypes\nctypes.CDLL('a.so')", "calls native code: ctypes.CDLL"),
        ("while True:\n    x += 1", "may never end: while True without break"),
        (
            "import itertools as i\nfor n in i.count():\n    print(n)",
            "may never end: for n in i.count() without break",
        ),
        (
            "i = 0\nwhile i < 10:\n    print(i)",
            "may never end: while i < 10, and nothing in the loop changes i",
        ),
        ("def f(:", "cannot be read as Python: invalid syntax"),
        ("%nosuchmagic a", "runs a magic that is not known: %nosuchmagic"),
    ],
)
def test_words_say_it_to_a_person_and_name_the_object(code, said, folder):
    assert words(code, folder) == {said}


def test_a_command_that_deletes_names_what_it_deletes(folder):
    assert "deletes files: build, out/*.csv" in words("!rm -r build out/*.csv", folder)


def test_one_label_holds_several_targets_and_stays_short(folder):
    code = "import os\n" + "\n".join(f"os.remove('file{i}.csv')" for i in range(9))
    assert words(code, folder) == {"deletes files: file0.csv, file1.csv, file2.csv, …"}
    assert max(map(len, words(f"!echo {'x' * 4000}", folder))) < 120


def test_a_file_counts_as_overwritten_only_while_it_is_there(tmp_path):
    code = "df.to_csv('result.csv')"
    assert labels(code, cwd=str(tmp_path)) == ()
    (tmp_path / "result.csv").write_text("x")
    assert [risk.kind for risk in labels(code, cwd=str(tmp_path))] == ["overwrite"]
    assert [risk.kind for risk in labels("open('result.csv', 'r')", cwd=str(tmp_path))] == []


def test_a_write_to_a_file_that_only_the_run_will_tell_says_so(folder):
    said = "may overwrite a file: df.to_csv(out)"
    assert words("df.to_csv(out)", folder) == {said}
    assert words("out = 'here.csv' if a else b\ndf.to_csv(out)", folder) == {said, "overwrites: here.csv"}


def test_an_unknown_name_in_a_folder_without_files_is_new(folder, tmp_path):
    code = "df.to_csv('reports/' + name)"
    assert kinds(code, folder) == set()
    (tmp_path / "work" / "reports").mkdir()
    (tmp_path / "work" / "reports" / "a.csv").write_text("x")
    assert kinds(code, folder) == {"overwrite"}


@pytest.mark.parametrize(
    ("earlier", "code", "expected"),
    [
        (["from os import remove"], "remove('data.csv')", {"delete"}),
        (["import os as o"], "o.remove('data.csv')", {"delete"}),
        (["from os import *"], "remove('data.csv')", {"delete"}),
        (["%%time\nimport os as o"], "o.remove('data.csv')", {"delete"}),
        (["from os import remove"], "%time remove('data.csv')", {"delete"}),
        (["from os import remove", "def remove(x):\n    pass"], "remove('data.csv')", set()),
        (["from os import remove"], "def remove(x):\n    pass\nremove('data.csv')", set()),
        (["out = 'new.csv'"], "df.to_csv(out)", set()),
        (["out = 'here.csv'"], "df.to_csv(out)", {"overwrite"}),
        (["out = 'new.csv'", "out = pick()"], "df.to_csv(out)", {"overwrite"}),
        (["out = pick()", "out = 'new.csv'"], "df.to_csv(out)", set()),
        (["folder = Path('out')"], "df.to_csv(folder / 'a.csv')", set()),
        (["def broken(:", "import io\nb = io.BytesIO()"], "plt.savefig(b)", set()),
    ],
)
def test_what_earlier_cells_imported_and_bound_is_known(earlier, code, expected, folder):
    assert {risk.kind for risk in labels(code, cwd=folder, earlier=earlier)} == expected


def test_an_absolute_path_inside_the_working_folder_is_not_outside(folder):
    assert kinds(f"df.to_csv({folder + '/new.csv'!r})", folder) == set()
    assert kinds(f"df.to_csv({folder + '-2/new.csv'!r})", folder) == {"outside"}


def test_without_a_folder_the_one_of_this_process_counts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [risk.kind for risk in labels("df.to_csv('here.csv')")] == ["overwrite"]


@pytest.mark.parametrize(
    "code",
    [
        "df = df.dropna()",
        "for df in frames:\n    pass",
        "with open('x') as df:\n    pass",
        "import pandas as df",
        "def df():\n    pass",
        "a, (b, df) = t",
        "def f():\n    global df\n    df = 1",
        "(df := 1)",
        "[df := x for x in frames]",
        "try:\n    pass\nexcept ValueError as df:\n    pass",
        "match x:\n    case [df, *_]:\n        pass",
        "match x:\n    case {'a': 1, **df}:\n        pass",
        "globals()['df'] = 1",
        "globals().update(df=1)",
        "globals().update({'df': 1})",
        "get_ipython().user_ns['df'] = 1",
        "%%capture df\n1",
        "%time df = 1",
        "del df\ndf = 1",
    ],
)
def test_binding_one_of_the_users_names_is_a_rebind(code, folder):
    found = labels(code, cwd=folder, names={"df", "other"})
    assert [(risk.kind, risk.words) for risk in found] == [("rebind", "rebinds your name df")]
    assert labels(code, cwd=folder) == ()


@pytest.mark.parametrize("code", ["del df", "del globals()['df']", "globals().pop('df')"])
def test_deleting_one_of_the_users_names_is_told_as_that(code, folder):
    found = labels(code, cwd=folder, names={"df", "other"})
    assert [(risk.kind, risk.words) for risk in found] == [("rebind", "deletes your name df")]


def test_several_names_share_a_label_that_stays_short(folder):
    found = labels("a = b = c = d = e = 1", cwd=folder, names={"a", "b", "c", "d"})
    assert [risk.words for risk in found] == ["rebinds your names a, b, c, …"]
    assert [risk.words for risk in labels("b = a = 1", cwd=folder, names={"a", "b"})] == [
        "rebinds your names a, b"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "df.head()",
        "[df for df in frames]",
        "def f(df):\n    df = 1",
        "df['a'] = 1",
        "def f():\n    [df := x for x in frames]",
        "globals()['df'].head()",
        "data['df'] = 1",
    ],
)
def test_using_one_of_the_users_names_is_no_rebind(code, folder):
    assert labels(code, cwd=folder, names=["df"]) == ()


def test_labels_come_in_the_order_of_the_kinds(folder):
    code = "while True:\n    requests.get(u); os.remove('x'); eval(t)"
    assert [risk.kind for risk in labels(code, cwd=folder)] == ["delete", "network", "dynamic", "endless"]


def test_python_inside_a_magic_is_read_with_its_own_names_and_to_a_bounded_depth(folder):
    assert kinds("%%time\nimport os as o\no.remove('a')", folder) == {"delete"}
    assert "unknown" in kinds("%%time\n" * 9 + "x = 1", folder)


def test_a_text_too_long_to_read_is_unknown_at_once(folder):
    began = time.perf_counter()
    assert kinds("!ls\n" * 1_000_000, folder) == {"unknown"}
    assert time.perf_counter() - began < 1


@settings(max_examples=300, deadline=None)
@given(st.text())
@example("\ud800")
@example("%" * 50)
@example("((((((((((" * 200)
@example("x" + ".a" * 20_000)
@example("-" * 30_000 + "1")
@example("df.to_csv('~nobody-of-that-name/x')")
@example("open('a' * 9999, 'w'); open('\\x00', 'w')")
@example("p = p / p\np.unlink()\nf = g\ng = f\nf()")
@example("%%time\n%%time\n%cd\n%env\n%pip")
def test_reading_never_raises(code):
    for risk in labels(code, cwd="/"):
        assert risk.kind in KINDS
        assert risk.words


FRAGMENTS = [
    "import os\n",
    "os.remove(",
    "'a'",
    ")",
    "\n",
    "!ls ",
    "%%bash\n",
    "x = ",
    "for f in ",
    ":\n ",
    "f'{",
    "}'",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS)).map("".join))
def test_reading_never_raises_on_code_like_text(code):
    assert all(risk.kind in KINDS for risk in labels(code, cwd="/"))


def test_a_deletion_is_found_whatever_stands_around_it(folder):
    for before in BENIGN:
        if not before.startswith("%%"):
            assert "delete" in kinds(f"{before}\nimport os\nos.remove('a.csv')", folder), before


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("!cp here.csv new.csv", {"subprocess"}),
        ("!cp new.csv here.csv", {"subprocess", "overwrite"}),
        ("!cp in.csv sub/", {"subprocess", "overwrite"}),
        ("!cp a.csv /srv/", {"subprocess", "outside"}),
        ("!mv here.csv sub/", {"subprocess", "overwrite"}),
        ("!sed -i s/a/b/ here.csv", {"subprocess", "overwrite"}),
        ("!sed s/a/b/ here.csv", {"subprocess"}),
        ("!echo a >> here.csv", {"subprocess"}),
        ("!echo a > here.csv", {"subprocess", "overwrite"}),
        ("!cat here.csv 2>/dev/null", {"subprocess"}),
        ("!A=1 sudo rm x", {"subprocess", "delete"}),
        ("!cd sub && /bin/rm -f in.csv; echo done", {"subprocess", "delete"}),
        ("!find . -name '*.tmp' | xargs rm", {"subprocess", "delete"}),
        ("!mkdir -p out && cd /srv", {"subprocess", "outside"}),
        ("!curl -o here.csv https://example.org", {"subprocess", "network", "overwrite"}),
        ("!git reset --hard", {"subprocess", "overwrite"}),
        ("!echo 'unclosed", {"subprocess"}),
        ("!rm {name}", {"subprocess", "delete"}),
    ],
)
def test_the_words_of_a_command_are_read(code, expected, folder):
    assert kinds(code, folder) == expected


@pytest.mark.parametrize(
    "code",
    [
        "while i < 10:\n    i += 1",
        "while todo:\n    todo.pop()",
        "while heap:\n    heapq.heappop(heap)",
        "while not done:\n    step()",
        "while node.next:\n    pass",
        "while state < 3:\n    state[0] = 1",
        "while a < b:\n    for a in range(9):\n        pass",
        "while n:\n    if m():\n        break",
        "import itertools\nnext(itertools.count())",
        "import itertools\nlist(zip(rows, itertools.count()))",
        "import itertools\nlist(map(f, rows, itertools.repeat(1)))",
        "import itertools\nlist(itertools.repeat(1, 3))",
        "list(iter(int, 0))",
        "import threading\nthreading.Event().wait(1)",
        "while 0:\n    pass",
    ],
)
def test_a_loop_that_something_ends_is_not_endless(code, folder):
    assert "endless" not in kinds(code, folder)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import zipfile\nzipfile.ZipFile('a.zip').extractall()", {"overwrite"}),
        ("import zipfile\nzipfile.ZipFile('a.zip').extractall('fresh')", set()),
        ("import zipfile\nzipfile.ZipFile('a.zip').extract('here.csv')", {"overwrite"}),
        ("import tarfile\nwith tarfile.open('a.tar') as t:\n    t.extractall('/srv/x')", {"outside"}),
        ("df['a'].str.extract('(a)')", set()),
        ("import sqlite3\nc = sqlite3.connect(':memory:').cursor()\nc.execute('DELETE FROM t')", set()),
        ("c.execute('UPDATE t SET a = 1')", {"overwrite"}),
        ("c.execute('SELECT 1; DROP TABLE t')", {"delete"}),
        ("c.execute(\"SELECT 'DROP TABLE t'\")", set()),
        ("for name in ['mean', 'std']:\n    getattr(df, name)()", set()),
        ("import os\nfor name in ['remove']:\n    getattr(os, name)('a')", {"delete"}),
        ("for name in names:\n    getattr(df, name)()", {"dynamic"}),
        ("import torch\ntorch.load('a.pt', weights_only=True)", set()),
        ("import torch\ntorch.load('a.pt')", {"dynamic"}),
        ("open('tokens.csv')", set()),
        ("open('token.json')", {"credentials"}),
        ("%lprun -f func func(10)", set()),
    ],
)
def test_a_call_is_read_with_what_it_is_called_on_and_given(code, expected, folder):
    assert kinds(code, folder) == expected


def test_only_kinds_that_exist_are_shown_without_being_asked_about():
    assert set(KINDS) > SHOWN_ONLY
    assert "unknown" not in SHOWN_ONLY


@pytest.mark.alone
def test_reading_a_cell_takes_few_milliseconds(folder):
    cells = [code for code in BENIGN if code]
    times = []
    for _ in range(5):
        began = time.process_time()
        for code in cells:
            labels(code, cwd=folder)
        times.append((time.process_time() - began) / len(cells))
    assert min(times) < 0.005
