"""Keep the tests out of the developer's own Jupyter, IPython and matplotlib folders, settings and keys.

The cache of model weights stays visible: tests marked `model` run the real one.
"""

import os
import tempfile

import pytest

FOLDERS = (
    "IPYTHONDIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_CONFIG_DIR",
    "MPLCONFIGDIR",
    "XDG_STATE_HOME",
)
KEPT = ("CODEACT_CACHE",)
FOREIGN = ("CODEACT_", "OPENAI_", "ANTHROPIC_")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make trust` runs and `make test` leaves out."""
    parser.addoption("--long", action="store_true", help="run the tests marked `long`, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it was asked for."""
    if not config.getoption("--long"):
        left_out = pytest.mark.skip(reason="takes long; --long or `make trust` runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(left_out)


def pytest_configure(config: pytest.Config) -> None:
    """Point the folders into a temporary one before anything reads them; kernels inherit them."""
    folder = tempfile.TemporaryDirectory(prefix="codeact-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    for name in FOLDERS:
        os.environ[name] = os.path.join(folder.name, name.lower())  # noqa: PTH118
        os.makedirs(os.environ[name], mode=0o700)  # noqa: PTH103
    for name in [name for name in os.environ if name.startswith(FOREIGN) and not name.startswith(KEPT)]:
        del os.environ[name]


@pytest.fixture(scope="module")
def ip():
    """The process's shell, of the tests of a module alone."""
    from probe_helpers import own_shell

    with own_shell() as shell:
        yield shell


@pytest.fixture
def probed(ip, tmp_path, monkeypatch):
    """Run a cell in a clean shell in an empty folder and return the probe's report."""
    from probe_helpers import report_after

    monkeypatch.chdir(tmp_path)
    ip.reset(new_session=True)
    return lambda code: report_after(ip, code)
