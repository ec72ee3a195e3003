"""Functions that the model may call: the user's own, and those of real MCP servers."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from pathlib import Path

import pytest
from kernel_client import block, started, write_script

import codeact_kernel
from codeact_kernel.agent.tools import heading, is_tool, offer, stub
from codeact_kernel.errors import ConfigError

pytest.importorskip("mcp", reason="the official MCP SDK is not installed: pip install 'codeact-kernel[mcp]'")
from codeact_kernel.mcp_tools import ToolError, connect

SERVER = Path(__file__).with_name("mcp_shop.py")


def configuration(folder, *args, **servers):
    path = folder / "mcp.json"
    shop = {"command": sys.executable, "args": [str(SERVER), *map(str, args)]}
    path.write_text(json.dumps({"mcpServers": servers or {"shop": shop}}))
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    tools = connect(configuration(tmp_path_factory.mktemp("shop"), 50))
    yield tools
    tools.close()


def lookup(words: str, *, k: int = 3) -> list[str]:
    """Look words up."""
    return [words] * k


async def fetch(url: str) -> str:
    return url


def test_a_stub_has_types_defaults_and_the_docstring():
    assert (
        stub("lookup", lookup) == 'def lookup(words: str, *, k: int = 3) -> list[str]:\n    """Look words up."""'
    )
    assert stub("fetch", fetch) == "async def fetch(url: str) -> str:\n    ..."
    assert heading("max", max) == "def max(...)"
    assert offer([]) == ""
    assert len(stub("long", type("long", (), {"__doc__": "word " * 1000}))) < 800


def test_a_decorated_function_says_how_it_is_called_and_stays_what_it_was():
    decorated = codeact_kernel.tool(lookup)
    assert decorated("a", k=2) == ["a", "a"]
    assert is_tool(decorated)
    assert not is_tool(lookup)
    assert decorated.__doc__ == lookup.__doc__
    with pytest.raises(TypeError, match=r"Call it as: def lookup\(words: str, \*, k: int = 3\)"):
        decorated("a", 2)
    waited = codeact_kernel.tool(fetch)
    assert inspect.iscoroutinefunction(waited)
    assert asyncio.run(waited("x")) == "x"
    with pytest.raises(TypeError, match="async def fetch"):
        asyncio.run(waited())


def test_tools_of_a_server_are_functions_with_values_of_python(shop):
    assert shop.list_articles() == ["apple", "pear"]
    assert shop.price_of("pear") == 2.25
    assert shop.price_of("apple", currency="SEK") == 16.5
    assert heading("price_of", shop.price_of) == "def price_of(article: str, currency: str = 'EUR') -> float"
    with pytest.raises(TypeError, match=r"'article'.*def tools.price_of\(article: str"):
        shop.price_of()
    with pytest.raises(ToolError, match="price_of"):
        shop.price_of("plum")


def test_many_tools_are_searched_by_words_and_are_not_all_described(shop):
    assert "tools.price_of" in shop.search("what does an article cost, its price?", k=2)
    found = shop.search("museum visits in district 13")
    assert found.startswith("def tools.museum_of_district_13(place: str, limit: int = 10)")
    assert len(found.split("def ")) == 6
    assert "No tool fits" in shop.search("xyzzy")
    assert "53 functions" in shop.describe()
    assert len(shop.describe()) < 1000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON object"),
        ("[]", "is no JSON object"),
        ("{}", "names no server"),
        ('{"mcpServers": {"a": {}}}', 'needs a "command" or a "url"'),
        ('{"mcpServers": {"a": {"command": "no-such-command-here"}}}', "'a' cannot be used"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as error:
        connect(path)
    assert "\n" not in str(error.value)


def test_what_a_server_says_as_it_ends_is_told(tmp_path):
    ends = {"command": sys.executable, "args": ["-c", "import sys; sys.exit('no licence found')"]}
    with pytest.raises(ConfigError, match="no licence found"):
        connect(configuration(tmp_path, ends=ends))


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as made:
        assert made.run("%load_ext codeact_kernel")[0]["status"] == "ok"
        yield made


def first_prompt(kernel):
    """The message of the first task, as the episode has it."""
    made = kernel.episode()
    tasks = [
        cell.metadata["codeact"] for cell in made.cells if cell.metadata.get("codeact", {}).get("kind") == "task"
    ]
    return json.dumps(tasks)


def test_named_and_decorated_functions_are_offered_once_a_conversation(kernel):
    kernel.run(
        "import codeact_kernel\n"
        "@codeact_kernel.tool\ndef price(article: str) -> float:\n    'The price of an article.'\n    return 2.5\n"
        "def stock(article):\n    'How many there are.'\n    return 4"
    )
    model = kernel.script(block("price('pear') * stock('pear')", "I multiply."), "It is 10.")
    assert "It is 10." in kernel.run(f"%codeact -m {model} --tools stock what are the pears worth?")[1]
    told = first_prompt(kernel)
    assert "def price(article: str) -> float" in told
    assert "How many there are." in told
    assert (
        "once more"
        in kernel.run(f"%codeact -m {kernel.script('As I said once more: 10.')} --tools stock and again?")[1]
    )
    assert first_prompt(kernel).count("def price(article: str)") == 1
    reply, said = kernel.run(f"%codeact -m {model} --tools nothing_here what?")
    assert reply["status"] == "error"
    assert "'nothing_here'" in said


@pytest.mark.alone
def test_the_model_searches_and_calls_tools_of_a_server_and_an_interrupt_ends_a_call(kernel, tmp_path_factory):
    path = configuration(tmp_path_factory.mktemp("config"), 50)
    model = kernel.script(
        block("print(tools.search('price of article'))", "I search."),
        block("sum(tools.price_of(name) for name in tools.list_articles())", "I add them."),
        "Together 3.75.",
    )
    assert "Together 3.75." in kernel.run(f"%codeact -m {model} --mcp {path} what do all articles cost?")[1]
    assert "53 functions" in first_prompt(kernel)
    reply, said = kernel.run("tools.wait(30)", interrupt_after=1.0)
    assert reply["seconds_to_stop"] < 1.0
    assert "waiting" not in said, "what servers log does not stand between the user's outputs"
    assert "2.25" in kernel.run("tools.price_of('pear')")[1]
    kernel.run("tools = 1\n%codeact reset")
    assert "is taken by a variable of yours" in kernel.run(f"%codeact -m {model} --mcp {path}.other what?")[1]
    (episode,) = kernel.episodes()
    with started(kernel.folder) as other:
        other.run("%load_ext codeact_kernel")
        assert "same: " in other.run(f"%codeact replay {episode} --yes")[1]


def test_fifty_tools_of_a_server_lengthen_the_prompt_by_less_than_500_tokens(tmp_path):
    sizes = []
    for mcp in (None, configuration(tmp_path, 50)):
        model = write_script(tmp_path, block("1 + 1"), "Two: 2.")
        out = tmp_path / f"e{len(sizes)}.ipynb"
        result = codeact_kernel.run("what is 1 + 1?", model=model, mcp=mcp, cwd=tmp_path, out=out, approve="auto")
        assert result.status == "done", result.cause
        sizes.append(result.usage.input / result.steps)
    assert 20 < sizes[1] - sizes[0] < 500
