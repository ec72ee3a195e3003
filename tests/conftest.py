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


def pytest_configure(config: pytest.Config) -> None:
    """Point the folders into a temporary one before anything reads them; kernels inherit them."""
    folder = tempfile.TemporaryDirectory(prefix="codeact-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    for name in FOLDERS:
        os.environ[name] = os.path.join(folder.name, name.lower())  # noqa: PTH118
        os.makedirs(os.environ[name], mode=0o700)  # noqa: PTH103
    for name in [name for name in os.environ if name.startswith(FOREIGN) and not name.startswith(KEPT)]:
        del os.environ[name]
