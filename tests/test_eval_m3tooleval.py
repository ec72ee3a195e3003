"""M3ToolEval: our official score and dialogue are the authors' (their checkout's, where there is one), ours is better.

The harness in `m3tooleval_small` is ours, in the layout of theirs. With `M3TOOLEVAL_CHECKOUT=folder` in the
environment the same is held against their own code.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.bench import Bench
from codeact_kernel.evaluate.case import Job
from codeact_kernel.evaluate.suites import m3tooleval
from codeact_kernel.evaluate.suites.m3tooleval import M3ToolEval, value_of
from codeact_kernel.evaluate.suites.m3tooleval_paper import Dialogue
from codeact_kernel.evaluate.suites.m3tooleval_score import corrected, official
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.models.scripted import ScriptedModel

SMALL = Path(__file__).with_name("m3tooleval_small")
REFERENCE = Path(__file__).with_name("m3tooleval_reference.py")
CHECKOUT = os.environ.get("M3TOOLEVAL_CHECKOUT", "")
needs_checkout = pytest.mark.skipif(not CHECKOUT, reason="M3TOOLEVAL_CHECKOUT names no checkout of the authors'")
FORGET = "import sys\nfor name in [one for one in sys.modules if one.split('.')[0] == 'tasks']:\n    del sys.modules[name]"

LIST, DICT, PAIR = [36380.0, 48150.0], {"T": 1, "A": 2}, ("A", 3)
OFFICIAL = [
    ("161.25", 161.25, True),
    (" 161.250 ", 161.25, True),
    ("161", 161.0, True),
    ("1_050", 1050, True),
    ("1,050", 1050, False),
    ("$1050", 1050, False),
    ("1050.", 1050, True),
    ("380.42", 380.41999999999996, False),
    ("KMPP", "KMPP", True),
    ("'KMPP'", "KMPP", True),
    ("KMPP.", "KMPP", False),
    ("0", False, True),
    ("False", False, True),
    ("false", False, False),
    (str(LIST), LIST, True),
    ("[36380, 48150]", LIST, False),
    ("[36380.0,48150.0]", LIST, False),
    (str(DICT), DICT, True),
    ("{'A': 2, 'T': 1}", DICT, False),
    ('{"T": 1, "A": 2}', DICT, False),
    ("('A', 3)", PAIR, True),
    ('("A", 3)', PAIR, False),
    ("", "x", False),
    ("[" * 300, 5, False),
]
CORRECTED = [
    ("1,050", 1050),
    ("$1,050.00", 1050),
    ("1050.", 1050),
    ("`161.25`", 161.25),
    ("KMPP.", "KMPP"),
    ('"KMPP"', "KMPP"),
    ("false", False),
    ("[36380, 48150]", LIST),
    ("36380, 48150", LIST),
    ("{'A': 2, 'T': 1}", DICT),
    ('{"A": 2.0, "T": 1}', DICT),
    ('["A", 3]', PAIR),
]
STILL_WRONG = [
    ("1051", 1050),
    ("10,50", 1050),
    ("-161.25", 161.25),
    ("KMP", "KMPP"),
    ("true", False),
    ("1", True),
    ("[48150, 36380]", LIST),
    ("[36380]", LIST),
    ("{'A': 2}", DICT),
    ("The answer is 1050", 1050),
    ("nan", 5.0),
]


@pytest.mark.parametrize(("answer", "expected", "right"), OFFICIAL)
def test_the_official_score_has_the_habits_of_the_authors_grader(answer, expected, right):
    assert official(answer, expected) is right


@pytest.mark.parametrize(("answer", "expected"), CORRECTED)
def test_the_corrected_score_takes_the_same_value_in_another_spelling(answer, expected):
    assert corrected(answer, expected)


@pytest.mark.parametrize(("answer", "expected"), STILL_WRONG)
def test_the_corrected_score_takes_no_other_value(answer, expected):
    assert not corrected(answer, expected) or official(answer, expected)


def test_two_decimals_are_right_where_the_task_asks_for_them():
    asks = "Find the total. Answer in the format of 'xx.xx' (e.g., 12.34)."
    assert corrected("380.42", 380.41999999999996, task=asks)
    assert corrected("237.94", 237.942, task=asks)
    assert not corrected("237.94", 237.942)
    assert not corrected("237.93", 237.942, task=asks)
    assert corrected("Kem", 3, also=["Kem"])


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Answer: 5", "5"),
        ("It is 5.\nAnswer: `5`", "5"),
        ("**Answer: 5**", "5"),
        ("I think Answer: 4, no\nAnswer: 5", "5"),
        ("It is 5.", "It is 5."),
    ],
)
def test_the_value_of_our_own_agents_answer_stands_behind_the_last_mark(reply, value):
    assert value_of(reply) == value


def near_misses(expected):
    """Return answers around an expected value: hits, spellings, misses."""
    plain = str(expected)
    made = [
        plain,
        f" {plain} ",
        f"'{plain}'",
        f'"{plain}"',
        f"{plain}.",
        f"${plain}",
        plain.upper(),
        plain[:-1],
        "",
        "0",
    ]
    made += [
        plain.replace(" ", ""),
        plain.replace("'", '"'),
        plain.lower(),
        f"[{plain}]",
        f"({plain},)",
        repr(expected),
    ]
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        made += [
            f"{expected:.2f}",
            f"{expected:,}",
            f"{expected:e}",
            f"+{plain}",
            f"{expected + 1}",
            str(int(expected)),
        ]
    if isinstance(expected, list | tuple):
        made += [json.dumps(expected), plain[1:-1], str(list(expected)), str(tuple(expected)), str(expected[::-1])]
    if isinstance(expected, dict):
        made += [json.dumps(expected), str(dict(reversed(expected.items())))]
    return made


def scripts_of(names):
    """Return dialogues: one a task and a shape of reply, some with actions, hits and near-misses among them."""
    made = []
    for number, (name, expected) in enumerate(names):
        hit, miss = f"Answer: {expected}", f"Answer: {expected}?"
        shapes = [
            [miss, hit],
            [f"  Thought: so\n{hit}\nAnswer: 3"],
            ["I do not know.", "Answer: x\nAction: y", f"Thought: a Answer: 1 Thought: b {hit}", hit],
            [f"{hit}\nThought: done", hit],
            ["Action: nothing, 1 End Action\nThought: then\nAction: other End Action", hit],
        ]
        made.append([name, ("code", "json", "text")[number % 3], shapes[number % len(shapes)]])
    return made


def reference(folder, answers=(), scripts=()):
    asked = json.dumps({"answers": list(answers), "scripts": list(scripts)})
    done = subprocess.run(
        [sys.executable, str(REFERENCE), str(folder)], input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def dialogues(suite, data, scripts, folder):
    """Play scripts by our paper protocol in one kernel; return as the reference does."""
    cases = {case.id: case for case in suite.cases(data)}

    async def play_all():
        executor = FreshExecutor(cwd=folder)
        await executor.start()
        played = []
        try:
            for number, (name, action, replies) in enumerate(scripts):
                case, out = cases[name], folder / f"{number}.ipynb"
                bench = Bench(
                    job=Job("m3tooleval", "paper", case, action),
                    model=ScriptedModel([*replies, *[replies[-1]] * 10]),
                    config=CodeAct(),
                    executor=executor,
                    folder=folder,
                    data=data,
                    out=out,
                    stop=Stop(),
                )
                await executor.run(FORGET)
                await bench.setup(m3tooleval.opening("play", m3tooleval.where(data), name))
                right = partial(official, expected=ast.literal_eval(case.data["expected"]))
                outcome, steps, _ = await Dialogue(bench, case.data["said"], right).run()
                notebook = json.loads(out.read_bytes())
                assert check_messages(notebook) == []
                messages = [{"role": "user", "content": case.data["prompts"][action]}]
                for step in steps:
                    messages.append({"role": "assistant", "content": step.completion.text})
                    if step.observation is not None:
                        messages.append({"role": "user", "content": step.observation.text})
                won = outcome.status == "done"
                played.append({"messages": messages, "is_correct": won, "n_turns": len(steps)})
        finally:
            await executor.close()
        return played

    return asyncio.run(play_all())


SCRIPTS = [
    [
        "harbour/cheapest",
        "code",
        [
            "Thought: look\nAction:\np = prices('Visby')\nprint(min(p))\nEnd Action\nThought: I see 1\nAction: more",
            "Action: print(with_tax(min(p), 25)) End Action",
            "Action: print(q)\nEnd Action",
            "Answer: 9668.7500",
        ],
    ],
    [
        "harbour/cheapest",
        "json",
        ['Action: {"tool": "prices", "args": ["Visby"]} End Action', "Action: {}", "hm", "Answer: $9668.75"],
    ],
    [
        "harbour/all",
        "text",
        ["Action: prices, Visby End Action", "Action: x Action: prices, Visby", "Answer: [8210.5, 7735.0]"],
    ],
    ["harbour/any", "code", ["Answer: true", "Answer: 2 Action: f()", "Answer: True\nAnswer: False"]],
    [
        "pages/master",
        "json",
        [
            'Action: {"tool": "turn", "args": []} End Action',
            'Action: {"tool": "turn", "args": []}',
            "Answer: 'Ada'",
        ],
    ],
]


def test_our_dialogue_is_the_harness_own_message_for_message(tmp_path):
    theirs = reference(SMALL, scripts=SCRIPTS)["dialogues"]
    ours = dialogues(M3ToolEval(), SMALL, SCRIPTS, tmp_path)
    assert ours == theirs
    assert [one["is_correct"] for one in ours] == [True, False, True, True, True]


def test_grading_by_the_small_harness_is_our_official_score():
    cases = M3ToolEval().cases(SMALL)
    pairs = [(case.id, text) for case in cases for text in near_misses(ast.literal_eval(case.data["expected"]))]
    values = {case.id: ast.literal_eval(case.data["expected"]) for case in cases}
    verdicts = reference(SMALL, answers=pairs)["verdicts"]
    assert [official(text, values[name]) for name, text in pairs] == verdicts
    assert any(verdicts)
    assert not all(verdicts)


@needs_checkout
def test_the_authors_grader_gives_our_official_score_on_every_near_miss():
    cases = M3ToolEval().cases(Path(CHECKOUT))
    assert len(cases) == 82
    values = {case.id: ast.literal_eval(case.data["expected"]) for case in cases}
    pairs = [(name, text) for name, value in values.items() for text in near_misses(value)]
    verdicts = reference(m3tooleval.where(Path(CHECKOUT)), answers=pairs)["verdicts"]
    different = [
        pair
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if official(pair[1], values[pair[0]]) != verdict
    ]
    assert different == []
    assert len(pairs) > 1000
    assert all(official(str(value), value) for value in values.values())


@needs_checkout
@pytest.mark.timeout(600)
def test_a_hundred_dialogues_are_the_authors_own_message_for_message(tmp_path):
    suite, data = M3ToolEval(), Path(CHECKOUT)
    names = [(case.id, ast.literal_eval(case.data["expected"])) for case in suite.cases(data)]
    scripts = [*scripts_of(names), *ACTING]
    assert len(scripts) >= 100
    theirs = reference(m3tooleval.where(data), scripts=scripts)["dialogues"]
    ours = dialogues(suite, data, scripts, tmp_path)
    assert [one == two for one, two in zip(ours, theirs, strict=True)] == [True] * len(scripts)
    assert sum(one["is_correct"] for one in ours) > 50


BUY, SEE = "trade_calculator/estimate_final_value", "web_browsing/price_of_legendary_wand"
ACTING = [
    [BUY, "code", ["Action: x = calculate_tariff(150, 7.5)\nprint(x) End Action", "Action: x + 1 End Action", "Answer: 161.25"]],
    [BUY, "code", ["Action: 1/0 End Action", "Action: for i in range(3):\n    print(i)\nEnd Action", "Answer: 161.25"]],
    [BUY, "code", ["Action: x = 1 End Action", "Action: print('a' * 3000) End Action", "Answer: 5"]],
    [BUY, "code", ["Action: 'text' End Action", "Action: [1, 'b'] End Action", "Action: print(\nEnd Action", "Answer: 161.25"]],
    [BUY, "code", ["Action:\n```python\nprint(1)\n```\nEnd Action", "Answer: 161.25"]],
    [BUY, "json", ['Action: {"tool": "calculate_tariff", "args": [150, 7.5]} End Action', "Answer: 161.250"]],
    [BUY, "json", ['Action: {"tool": "none", "args": []} End Action', 'Action: {"tool": "calculator", "args": "1+1"}', "Answer: 1"]],
    [BUY, "json", ["Action: not json End Action", 'Action: {"tool": "calculate_tariff"} End Action', "Answer: 161.25"]],
    [BUY, "text", ["Action: calculate_tariff, 150, 7.5 End Action", "Action: calculator, 1 + 2 End Action", "Answer: 161.25"]],
    [BUY, "text", ["Action: calculate_tariff, a, b End Action", "Action: find_minimum End Action", "Answer: $161.25"]],
    [SEE, "code", ["Action: print(view()) End Action", "Action: click_url('/products') End Action", "Answer: 68.71"]],
    [SEE, "code", ["Action: print(scroll_down()) End Action", "Action: print(go_to_previous_page())\nEnd Action", "Answer: 68.7"]],
    [SEE, "json", ['Action: {"tool": "click_url", "args": ["/products"]} End Action', "Answer: 68.71"]],
    [SEE, "text", ["Action: click_url, /products End Action", "Action: view End Action", "Answer: 68.71 Answer: 2"]],
    ["message_decoder/full_alien_message_decoding", "text", ["Action: reverse_string, abc, d End Action", "Answer: fchahcufcu"]],
    ["message_decoder/full_alien_message_decoding", "code", ["Action: caesar_decode(5) End Action", "Answer: 'fchahcufcu'"]],
    ["travel_itinerary_planning/plan_trip_to_0", "code", ["Action: find_flights('E', 'A', '2023-12-25') End Action", "Answer: 1,050", "Answer: 1050"]],
    ["travel_itinerary_planning/plan_trip_to_0", "json", ['Action: {"tool": "book_hotel", "args": ["A", "wifi"]}', "Answer: 1050.0"]],
]  # fmt: skip


def test_what_is_no_checkout_is_refused_with_what_is(tmp_path):
    with pytest.raises(ConfigError, match="--data"):
        M3ToolEval().cases(None)
    with pytest.raises(ConfigError, match="holds no M3ToolEval"):
        M3ToolEval().cases(tmp_path)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "base.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "main.py").write_text("content = 'no'\n")
    with pytest.raises(ConfigError, match="not M3ToolEval's harness"):
        M3ToolEval().cases(tmp_path)
    (tmp_path / "main.py").write_text("content = 'no'\ncontent += 'also ' + x\n")
    with pytest.raises(ConfigError, match="could not be read"):
        M3ToolEval().cases(tmp_path)
