"""A real MCP server on stdio, for tests: a shop with three tools, and as many more as its argument says."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")
PRICES = {"apple": 1.5, "pear": 2.25}


@server.tool()
def price_of(article: str, currency: str = "EUR") -> float:
    """Return the price of an article of the shop."""
    return PRICES[article] * {"EUR": 1, "SEK": 11}[currency]


@server.tool()
def list_articles() -> list[str]:
    """List all articles that the shop sells."""
    return sorted(PRICES)


@server.tool()
async def wait(seconds: float) -> str:
    """Wait, and say that it was done."""
    import anyio

    sys.stderr.write("waiting\n")
    await anyio.sleep(seconds)
    return "waited"


def further(number: int) -> None:
    def further_tool(place: str, limit: int = 10) -> str:
        return f"{number} {place}"

    server.add_tool(
        further_tool,
        name=f"{('forecast', 'traffic', 'library', 'museum', 'harbour')[number % 5]}_of_district_{number}",
        description=f"Look up the {('weather forecast', 'traffic', 'library hours', 'museum visits', 'ships')[number % 5]} "
        f"of district {number} for the coming days, with all that the office of statistics knows about it.",
    )


for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
    further(number)

if __name__ == "__main__":
    server.run()
