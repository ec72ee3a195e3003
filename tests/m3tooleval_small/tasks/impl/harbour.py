# ruff: noqa: TID252, FBT003
from ..base import Task, ToolType, register_task_iterator

PRICES = {"Visby": [8210.5, 7735.0], "Kalmar": [6100.0]}


def prices(city):
    return PRICES[city]


def with_tax(price, percent):
    return price * (100 + percent) / 100


TOOLS = {
    "prices": ToolType("prices", "Boat prices in a city.", prices, "prices(city: str) -> list"),
    "with_tax": ToolType(
        "with_tax", "A price with tax.", with_tax, "with_tax(price: float, percent: float) -> float"
    ),
}
TASKS = [
    Task("harbour/cheapest", TOOLS, "What is the cheapest boat in Visby with 25 % tax?", 9668.75, False),
    Task("harbour/all", TOOLS, "List the prices in Visby.", [8210.5, 7735.0], False),
    Task("harbour/any", TOOLS, "Is there a boat in Kalmar? Answer True or False.", True, False),
]
register_task_iterator(TASKS, len(TASKS))
