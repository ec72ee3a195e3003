"""The Ray engine: the same results as the local one, nothing lost and nothing twice when workers are killed."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.ledger import LEDGER
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.m3tooleval import M3ToolEval

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'codeact-kernel[ray]'")

SMALL = Path(__file__).with_name("m3tooleval_small")
TIMES = {"started", "seconds"}
SECRET = "A_SECRET_API_KEY"


@pytest.fixture(autouse=True)
def the_workers_find_our_models(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SMALL.parent), os.environ.get("PYTHONPATH", "")]))


def order(out, engine, **more):
    config = CodeAct(model="callable:eval_models:sometimes")
    return Order(suite=M3ToolEval(), data=SMALL, out=out, config=config, engine=engine, jobs=2, **more)


def timeless(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def workers():
    """The processes of this test's players, and their kernels."""
    found = [one for one in psutil.Process().children(recursive=True) if one.is_running()]
    named = [
        (one, one.name() + " ".join(one.cmdline()[:3])) for one in found if one.status() != psutil.STATUS_ZOMBIE
    ]
    return [one for one, name in named if "RemotePlayer" in name], [
        one for one, name in named if "ipykernel" in name
    ]


@pytest.mark.timeout(600)
def test_ray_gives_what_the_local_engine_gives_also_when_a_worker_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv(SECRET, "do not pass on")
    local = evaluate(order(tmp_path / "local", "local"), lambda _: None)
    seen, over = [], threading.Event()

    def kill_one():
        while not over.wait(0.2):
            players, kernels = workers()
            if players and kernels:
                seen.append(players[0].environ().get(SECRET))
                players[0].kill()
                return

    threading.Thread(target=kill_one, daemon=True).start()
    try:
        spread = evaluate(order(tmp_path / "ray", "ray"), lambda _: None)
    finally:
        over.set()
    assert seen == [None]
    assert os.environ[SECRET] == "do not pass on"
    events = [json.loads(line) for line in (tmp_path / "ray" / LEDGER).read_bytes().splitlines()]
    assert [event["lost"] for event in events if event["event"] == "failed"] == [True]
    assert sum(event["event"] == "done" for event in events) == len(local) == 4
    for row in spread:
        row["attempt"] = 1
    assert timeless(spread) == timeless(local)
    assert all((tmp_path / "ray" / row["episode"]).is_file() for row in spread)
    until = time.monotonic() + 10
    while workers()[1] and time.monotonic() < until:
        time.sleep(0.2)
    assert workers()[1] == []


@pytest.mark.timeout(300)
def test_more_at_once_than_the_cluster_has_room_for_waits_for_room_and_not_for_ever(tmp_path):
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        rows = evaluate(order(tmp_path, "ray"), lambda _: None)
    finally:
        ray.shutdown()
    assert [row["set_aside"] for row in rows] == [""] * 4
    assert {row["attempt"] for row in rows} == {1}


@pytest.mark.timeout(300)
def test_workers_that_never_start_end_the_evaluation_with_the_reason(tmp_path):
    class Elsewhere(M3ToolEval):
        name = "a suite that the workers do not have"

    with pytest.raises(ConfigError, match=r"workers do not start, 5 in a row: .*KeyError"):
        evaluate(replace(order(tmp_path, "ray"), suite=Elsewhere()), lambda _: None)
