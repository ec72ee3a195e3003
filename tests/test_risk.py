"""Risk labels: what a person is asked about, what nobody should be bothered with, and that reading never fails."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from risk_cells import BENIGN, RISKY, SEVERAL

from codeact_kernel.agent.risk import KINDS, labels


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


def test_words_say_it_to_a_person(folder):
    loop = "import glob, os\nfor f in glob.glob('out/*.csv'):\n    os.remove(f)"
    assert words(loop, folder) == {"deletes files: out/*.csv"}
    assert words("import requests\nrequests.get(u)", folder) == {"uses the network: requests.get"}
    assert words("!ls", folder) == {"starts a process: !ls"}
    assert words("df.to_csv('here.csv')", folder) == {"overwrites files: here.csv"}
    assert words("os.getenv('API_KEY')", folder) == {"reads keys or passwords: API_KEY"}
    assert words("x = 1\nwhile True:\n    x += 1", folder) == {"may never end: while loop on line 2"}


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
    said = "may overwrite a file: which one only the run will tell"
    assert words("df.to_csv(out)", folder) == {said}
    assert words("out = 'here.csv' if a else b\ndf.to_csv(out)", folder) == {said, "overwrites files: here.csv"}


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
        "del df",
        "a, (b, df) = t",
        "def f():\n    global df\n    df = 1",
        "(df := 1)",
    ],
)
def test_binding_a_protected_name_is_a_rebind(code, folder):
    found = labels(code, cwd=folder, names={"df", "other"})
    assert [(risk.kind, risk.words) for risk in found] == [("rebind", "rebinds your variables: df")]
    assert labels(code, cwd=folder) == ()


@pytest.mark.parametrize("code", ["df.head()", "[df for df in frames]", "def f(df):\n    df = 1", "df['a'] = 1"])
def test_using_a_protected_name_is_no_rebind(code, folder):
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


def test_reading_a_cell_takes_few_milliseconds(folder):
    cells = [code for code in BENIGN if code]
    times = []
    for _ in range(5):
        began = time.process_time()
        for code in cells:
            labels(code, cwd=folder)
        times.append((time.process_time() - began) / len(cells))
    assert min(times) < 0.005
