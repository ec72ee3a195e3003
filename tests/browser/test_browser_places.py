"""`%codeact` where servers and kernels are elsewhere: under a base URL, as JupyterHub has it, and on a gateway."""

from __future__ import annotations

import pytest
from kernel_client import block
from notebook_page import LOAD, mimes


@pytest.mark.parametrize("place", ["based", "gatewayed"])
def test_the_magic_works_there(pages, request, place, script):
    server = request.getfixturevalue(place)
    notebook = pages.open(server, LOAD)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    model = script(block("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"), "It rises.")
    run = notebook.begin(f"%codeact -m {model} draw")
    assert "It rises." in run.wait()
    assert "image/png" in mimes(run.cell)
    if place == "based":
        assert "/user/someone/" in notebook.page.url
    else:
        assert notebook.value("__import__('os').getcwd()") != str(notebook.folder)
        assert server.gateway.startswith("http://127.0.0.1:")
