"""Faults of cells: code that hangs, floods, breaks what it stands on, or dies."""

from __future__ import annotations

import pytest
from kernel_client import block

LONG = (
    *(
        "stdout replaced",
        "stdout closed",
        "stdout deleted",
        "builtins shadowed",
        "get_ipython deleted",
        "history deleted",
    ),
    *("folder changed", "folder gone", "SIGINT ignored", "warnings are errors", "exit()", "SystemExit", "quit"),
    *("a pool of workers", "a debugger", "endless loop that computes"),
    *("200 MB", "one line of 50", "5,000", "updated 2,000", "50 MB", "deep recursion", "of 10 MB", "ten million"),
)
"""Cases that compute for seconds, and those that tests/test_bad_input.py has in short."""


def marked(cases, every=1):
    """Return the names of cases, those of `LONG` marked, and of the others all but each `every`-th."""
    long = {name for name in cases if any(words in name for words in LONG)}
    rest = [name for name in cases if name not in long]
    long |= set(rest) - set(rest[::every])
    return [pytest.param(name, marks=pytest.mark.long if name in long else (), id=name) for name in cases]


HANGS = {
    "endless loop": "while True: pass",
    "endless loop that computes": "n = 0\nwhile True:\n    n = hash(str(n))",
    "sleep": "import time\ntime.sleep(600)",
    "endless await": "import asyncio\nawait asyncio.sleep(600)",
    "waits for an event": "import threading\nthreading.Event().wait()",
    "a child that sleeps": "import subprocess\nsubprocess.run(['sleep', '600'])",
    "a shell line that sleeps": "!sleep 600",
    "swallows the first interrupt": (
        "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass\ntime.sleep(600)"
    ),
    "sleeps in its repr": "class Slow:\n    def __repr__(self):\n        import time\n        time.sleep(600)\nSlow()",
}


@pytest.mark.parametrize("name", marked(HANGS))
def test_hang(bench, name):
    with bench.survives(status={"done"}):
        bench.nb.run("%config CodeAct.cell_timeout = 0.6")
        bench.ask(block(HANGS[name]), block("print('and on')"), "Done, and on.", "Done.", timeout=40)
        bench.nb.run("globals().pop('Slow', None)")
    assert "and on" in "".join(bench.observations[1:])


FLOODS = {
    "200 MB of output": "for _ in range(200):\n    print('x' * 1_000_000)",
    "a million lines": "import sys\nsys.stdout.write('line\\n' * 1_000_000)",
    "one line of 50 MB": "print('y' * 50_000_000)",
    "5,000 displays": "from IPython.display import display\nfor n in range(5_000):\n    display(n)",
    "a display that is updated 2,000 times": (
        "from IPython.display import display\nh = display(0, display_id=True)\nfor n in range(2_000):\n    h.update(n)"
    ),
    "a picture of 50 MB": (
        "from IPython.display import Image, display\nimport os\n"
        "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + os.urandom(50_000_000), format='png'))"
    ),
    "binary on stdout": "import sys, os\nsys.stdout.buffer.write(os.urandom(4096)) if hasattr(sys.stdout, 'buffer') else os.write(1, os.urandom(4096))",
    "control characters": "print(''.join(map(chr, range(32))) + '\\x9b31m\\u202e\\x00')",
    "clear_output in a loop": "from IPython.display import clear_output\nfor n in range(500):\n    clear_output(wait=True)\n    print(n)",
    "a traceback of a deep recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "an error message of 10 MB": "raise ValueError('z' * 10_000_000)",
    "a result of ten million numbers": "list(range(10_000_000))",
    "a dict that holds itself": "d = {}\nd['d'] = d\nd",
    "output of children": "!for i in $(seq 200); do echo child $i; done",
}


@pytest.mark.parametrize("name", marked(FLOODS))
def test_flood(bench, name):
    with bench.survives(status={"done"}, steps=3):
        bench.ask(block(FLOODS[name]), block("print('and on')"), "Done, and on.", "Done.", timeout=60)
        bench.nb.run("for name in ('h', 'd', 'f', '_', 'Out'):\n    globals().pop(name, None)")
    assert max(map(len, bench.observations)) < 12_000
    (path,) = bench.nb.episodes()
    assert path.stat().st_size < 30_000_000


BREAKS = {
    "stdout replaced": "import io, sys\nsys.stdout = sys.stderr = io.StringIO()",
    "stdout closed": "import sys\nsys.stdout.close()",
    "stdout deleted": "import sys\ndel sys.stdout",
    "stdout is None": "import sys\nsys.stdout = None",
    "builtins shadowed": "print = input = open = len = str = None",
    "builtins.print replaced": "import builtins\nold, builtins.print = builtins.print, 7\nbuiltins.print = old",
    "get_ipython deleted": "del get_ipython",
    "history deleted": "del In, Out",
    "folder changed": "import os, pathlib\npathlib.Path('sub').mkdir(exist_ok=True)\nos.chdir('sub')",
    "folder gone": "import os, tempfile\nhere = tempfile.mkdtemp()\nos.chdir(here)\nos.rmdir(here)",
    "environment emptied": "import os\nsaved = dict(os.environ)\nos.environ.clear()",
    "recursion limit": "import sys\nsys.setrecursionlimit(120)",
    "SIGINT ignored": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    "an alarm": "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)",
    "a trace function": "import sys\nsys.settrace(lambda *_: None)",
    "warnings are errors": "import warnings\nsaved = warnings.filters[:]\nwarnings.simplefilter('error')",
    "garbage is not collected": "import gc\ngc.disable()",
    "a decimal context": "import decimal\ndecimal.getcontext().prec = 1",
    "a locale": "import locale\nlocale.setlocale(locale.LC_ALL, 'C')",
    "exit()": "exit()",
    "quit": "quit()",
    "SystemExit": "raise SystemExit(3)",
    "sys.exit in a function": "import sys\ndef f():\n    sys.exit(1)\nf()",
    "a base exception": "class Odd(BaseException):\n    pass\nraise Odd('odd')",
    "an exception without words": "raise type('', (Exception,), {})",
    "an exception whose str raises": "class E(Exception):\n    def __str__(self):\n        raise ValueError('no')\nraise E",
    "an exception group": "raise ExceptionGroup('many', [ValueError(1), KeyError(2)])",
    "a repr that raises": "class R:\n    def __repr__(self):\n        raise RuntimeError('no repr')\nr = R()\nr",
    "a repr that recurses": "class C:\n    def __repr__(self):\n        return repr(self)\nc = C()\nc",
    "a repr that exits": "class X:\n    def __repr__(self):\n        raise SystemExit\nx = X()\nx",
    "a _repr_html_ that raises": "class H:\n    def _repr_html_(self):\n        1 / 0\nh = H()\nh",
    "a __getattr__ that raises": "class G:\n    def __getattr__(self, n):\n        raise OSError(n)\ng = G()\ng",
    "a __del__ that raises": "class D:\n    def __del__(self):\n        raise ValueError('del')\nd = D()\ndel d",
    "an __eq__ that lies": "class L:\n    def __eq__(self, o):\n        raise TypeError\n    __hash__ = None\nl = L()",
    "nested loop": "import asyncio\nasyncio.get_event_loop().run_until_complete(asyncio.sleep(0))",
    "asyncio.run": "import asyncio\nasyncio.run(asyncio.sleep(0))",
    "autoawait off": "%autoawait off",
    "a task that fails later": "import asyncio\nasync def late():\n    raise ValueError('late')\nt = asyncio.create_task(late())\nawait asyncio.sleep(0.05)",
    "a thread that prints later": (
        "import threading, time\ndef late():\n    time.sleep(0.3)\n    print('late')\nthreading.Thread(target=late).start()"
    ),
    "a thread that fails": "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()",
    "a fork": "import os\npid = os.fork()\nif pid == 0:\n    os._exit(0)\nprint(os.waitpid(pid, 0)[1])",
    "a fork that prints": "import os\npid = os.fork()\nif pid == 0:\n    print('child')\n    os._exit(0)\nos.waitpid(pid, 0)",
    "a pool of workers": "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as pool:\n    print(sum(pool.map(abs, range(4))))",
    "input()": "input('who? ')",
    "getpass": "import getpass\ngetpass.getpass()",
    "stdin read": "import sys\nprint(repr(sys.stdin.read()))",
    "a debugger": "breakpoint()",
    "display hook replaced": "import sys\nsaved = sys.displayhook\nsys.displayhook = lambda *_: 1 / 0\n7",
    "a formatter that raises": (
        "f = get_ipython().display_formatter.formatters['text/plain']\nclass T: pass\n"
        "f.for_type(T, lambda *_: 1 / 0)\nT()"
    ),
    "an import hook that raises": "import sys\nclass F:\n    def find_spec(self, n, *a):\n        if n == 'nosuch': raise OSError\nsys.meta_path.insert(0, F())\nimport nosuch",
    "hooks that raise": (
        "def hook(*_):\n    raise ValueError('hook')\nget_ipython().events.register('post_run_cell', hook)\n"
        "get_ipython().events.unregister('post_run_cell', hook)"
    ),
    "memory error": "x = bytearray(1 << 50)",
    "a limit on memory": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "b = bytearray(6 << 30)"
    ),
    "many open files": "files = [open('/dev/null') for _ in range(300)]\n[f.close() for f in files]",
    "a module that is broken": "open('broken_module.py', 'w').write('x = (')\nimport broken_module",
    "a cell magic that is none": "%%nosuchmagic\nx",
    "bash that fails": "%%bash\nexit 3",
}
MENDS = """
import builtins, gc, os, signal, sys, warnings
for name in ("print", "input", "open", "len", "str"):
    globals().pop(name, None)
sys.settrace(None)
gc.enable()
signal.setitimer(signal.ITIMER_REAL, 0)
sys.setrecursionlimit(3000)
if isinstance(globals().get("saved"), dict):
    os.environ.update(saved)
if isinstance(globals().get("saved"), list):
    warnings.filters[:] = saved
import resource
resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != "__main__"]
get_ipython().run_line_magic("autoawait", "on")
from IPython import get_ipython
for name in ("r", "c", "x", "h", "g", "d", "l", "t", "saved"):
    globals().pop(name, None)
"""


@pytest.mark.parametrize("name", marked(BREAKS, every=2))
def test_break(bench, name):
    with bench.survives(status={"done", "failed"}):
        replies = [
            block(BREAKS[name]),
            block("import builtins\nbuiltins.print('and on')"),
            "Done, and on.",
            "Done.",
        ]
        bench.ask(*replies, timeout=40)
        bench.nb.run("from IPython import get_ipython")
        bench.nb.run(MENDS)
    assert "and on" in "".join(bench.observations[1:])


def test_the_user_changes_a_variable_during_the_episode(bench):
    """A real cell of the user's cannot run inside the magic's; a thread of the user's can."""
    with bench.survives(status={"done"}, steps=3):
        bench.nb.run(
            "import threading\nn = 1\ntimer = threading.Timer(0.2, lambda: globals().update(n=2))\ntimer.start()"
        )
        bench.ask(
            block("import time\ntime.sleep(0.6)\nprint(n)"), block("print('n is', n)"), "It is 2.", "It is 2."
        )
    assert "n is 2" in bench.observations[1]


def test_two_agents_in_one_kernel(bench):
    with bench.survives(status={"done"}):
        first = bench.nb.script(block("import asyncio\nawait asyncio.sleep(0.5)\nprint(1)"), "It is 1.")
        other = bench.nb.script("No.")
        cell = f"import asyncio\nmagic = get_ipython().run_line_magic\nfound = await asyncio.gather(magic('codeact', '--approve auto -m {first} go'), magic('codeact', '-m {other} me too'), return_exceptions=True)\nprint(found)"
        text = bench.nb.run(cell)[1]
    assert "at work in this kernel" in text
    bench.nb.run("del found")
