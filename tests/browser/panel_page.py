"""The side panel of the page, as a person uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from notebook_page import NotebookPage
    from playwright.sync_api import Locator

# Writes down when the page saw the first click from now on, on the clock that the kernel has, too.
CLOCK = """() => {
  window.clicked = null;
  document.addEventListener('click', () => { window.clicked ??= Date.now() / 1000; }, { capture: true, once: true });
}"""
ENDED = ("ok", "error", "refused", "interrupted", "timeout", "dead", "sent-back", "answer")


class Panel:
    """The panel beside a notebook."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root = self.page.get_by_test_id("codeact-panel")

    def part(self, name: str) -> Locator:
        """Return a part by its test id, without the prefix."""
        return self.root.get_by_test_id(f"codeact-{name}")

    def open(self) -> Panel:
        """Show the panel with the notebook's toolbar button."""
        if not self.part("task").is_visible():
            self.page.locator('[data-jp-item-name="codeact"]').locator("visible=true").first.click()
        expect(self.part("task")).to_be_visible()
        return self

    def use(self, model: str) -> None:
        """Type a model's name into the picker."""
        self.part("model").select_option(label="Other…")
        self.part("model-other").fill(model)
        self.part("model-other").press("Enter")
        expect(self.part("model")).to_have_value(model)

    def send(self, task: str) -> None:
        """Type a task and press Enter."""
        self.part("task").fill(task)
        self.part("task").press("Enter")

    @property
    def run(self) -> Locator:
        """The newest task."""
        return self.part("run").last

    def step(self, number: int) -> Locator:
        """A step of the newest task, from 1."""
        return self.run.get_by_test_id("codeact-step").nth(number - 1)

    def steps(self) -> list[str | None]:
        """The statuses of the steps of the newest task, the answer left out."""
        found = [item.get_attribute("data-status") for item in self.run.get_by_test_id("codeact-step").all()]
        return [status for status in found if status != "answer"]

    def wait_state(self, *states: str, timeout: float = 20) -> None:
        """Wait until the line at the top shows one of these states."""
        line = self.part("state")
        self.notebook.wait(
            lambda: line.get_attribute("data-state") in states, f"the state {states}", timeout=timeout
        )

    def wait_status(self, *statuses: str, runs: int = 1, timeout: float = 30) -> None:
        """Wait until the newest of `runs` tasks has ended in one of these ways."""

        def ended() -> bool:
            if self.part("run").count() != runs:
                return False
            status = self.run.get_attribute("data-status")
            assert status in ("running", *statuses), f"the task ended as {status}: {self.run.inner_text()}"
            return status in statuses

        self.notebook.wait(ended, f"the task ends as {statuses}", timeout=timeout)

    def ask(self, task: str, *, runs: int = 1, timeout: float = 30) -> str:
        """Send a task, wait for its answer and return that."""
        self.send(task)
        self.wait_status("done", runs=runs, timeout=timeout)
        return self.run.get_by_test_id("codeact-answer").inner_text()

    def wait_question(self, number: int) -> Locator:
        """Wait for the card that asks about a step and return it."""
        card = self.part("approval")
        expect(card).to_have_attribute("aria-label", f"Step {number} waits for you")
        return card

    def edit_question(self, code: str) -> None:
        """Replace the code in the card."""
        self.part("approval-code").locator(".cm-content").fill(code)

    def stop(self) -> None:
        """Click Stop, and write down when the page saw that."""
        self.page.evaluate(CLOCK)
        self.part("stop").click()

    @property
    def clicked(self) -> float:
        """When Stop was clicked, in epoch seconds."""
        return float(self.page.evaluate("window.clicked"))

    def cells(self, role: str = "action") -> list[dict[str, Any]]:
        """Return the agent's cells of a role."""
        return [cell for cell in self.notebook.agent_cells() if cell["metadata"]["codeact"].get("role") == role]
