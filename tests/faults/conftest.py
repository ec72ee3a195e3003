"""The kernel that faults are tried on, and the table of what came of them."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("bench")

from bench import STATE, Bench  # noqa: E402
from kernel_client import block, started  # noqa: E402

KEY = "sk-secret-of-the-user"


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    more = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    with started(folder, **more) as nb:
        nb.run("%load_ext codeact_kernel\n" + STATE)
        warm = Bench(nb)
        warm.begin()
        warm.ask(block("print(1)"), "It is 1.")
        yield nb


@pytest.fixture
def bench(live):
    made = Bench(live)
    made.begin()
    return made
