"""API-Bank, level 1: one call that the next turn of a dialogue needs, in code, JSON or text.

`--data` is a checkout of the repository of the comparison (xingyaoww/code-act), or `scripts/eval/api-bank` in it;
nothing of theirs is in this package. The official score is their evaluator's, which runs the call: where an API
needs the network, or does not give what the data expects, the expected call itself is wrong (61 of 389 without a
network). The corrected one reads the reply by its syntax (`apibank_parse`) and takes the expected call, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import ConfigError, ModelError
from codeact_kernel.evaluate.bench import AttemptError
from codeact_kernel.evaluate.case import Case, Played
from codeact_kernel.evaluate.suites import apibank_kernel as kernel
from codeact_kernel.evaluate.suites.apibank_parse import read
from codeact_kernel.models.base import complete
from codeact_kernel.types import Approval, Message, Observation, Outcome, Request, Sampling, Step, TaskTurn, now

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench
    from codeact_kernel.types import Execution

INSIDE = ("", "api-bank", "scripts/eval/api-bank")
SAMPLES = "lv1-lv2-samples/level-1-given-desc"
REPLY_TOKENS = 512


class ApiBank:
    """The suite; see the module."""

    name: str = "apibank"
    protocols: tuple[str, ...] = ("paper",)
    scores: tuple[str, ...] = ("official", "corrected")
    turns: int = 1

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:  # noqa: ARG002 - the same for all
        """Return each call of each dialogue, in the order of the files' names; see `suite.Suite`."""
        return [
            Case(one["name"], one["expected"]["api_name"], f"{one['name']}: {one['expected']['api_name']}", one)
            for one in described(where(data))
        ]

    async def play(self, bench: Bench) -> Played:
        """Ask once and judge the reply; see `suite.Suite`."""
        data, action = bench.job.case.data, bench.job.action
        boot = f"exec(compile({kernel.source()!r}, '<apibank>', 'exec'), bank)"
        folder = str(where(bench.data))
        await bench.setup(
            f"bank = {{'__name__': 'apibank'}}\n{boot}\nbank['play'](get_ipython(), {folder!r})\ndel bank"
        )
        messages = [Message(role, content) for role, content in data["messages"][action]]
        sampling = Sampling(bench.config.temperature, bench.config.top_p, REPLY_TOKENS, (), bench.config.seed)
        try:
            completion = await complete(bench.model, messages, sampling, bench.stop, lambda _: None)
        except ModelError as error:
            raise AttemptError(str(error)) from None
        found = read(completion.text, action, data["parameters"])
        expected = data["expected"]
        asked = {"action": action, "read": found, **expected, "result": data["result"]}
        cell = f"%%judge\n{json.dumps(asked)}\n{completion.text}"
        step = Step(1, "action", completion, Request("", len(messages)), code=cell)
        ran = await bench.executor.run(cell)
        verdicts = _verdicts(ran)
        self._keep(bench, messages, step.with_(approval=Approval("auto"), execution=ran), verdicts, sampling)
        return Played(
            scores={name: float(verdicts[name]["correct"]) for name in self.scores},
            turns=1,
            usage=completion.usage,
            failure=_failure(verdicts["official"]),
            answers=(completion.text,),
            notes=tuple(f"{name}: {verdict['why']}" for name, verdict in verdicts.items() if verdict["why"]),
        )

    def _keep(self, bench: Bench, messages: list[Message], step: Step, verdicts: Any, sampling: Sampling) -> None:
        """Write the episode: the dialogue as the task, the reply and its verdicts as the one step."""
        header = make_header(
            model=bench.model.describe(),
            sampling=sampling,
            system=messages[0].content,
            agent={"name": "codeact-kernel: apibank", "version": __version__, "format": bench.job.action},
            template="apibank",
            policy={"approval": "auto", "max_steps": 1},
            kernel=bench.executor.describe(),
        )
        writer = EpisodeWriter.create(
            bench.out.parent, header=header, title=bench.job.case.task, path=bench.out, prelude=bench.prelude
        )
        dialogue = "\n\n".join(f"{message.role}: {message.content}" for message in messages[1:])
        writer.task(TaskTurn(bench.job.case.task, dialogue, now()))
        writer.completion(step)
        writer.step(step.with_(observation=Observation("ok", json.dumps(verdicts))))
        writer.end(Outcome("done", answer=step.completion.text, steps=1, usage=step.completion.usage))
        writer.close()


def where(data: Path | None) -> Path:
    """Return the folder of the evaluator in a checkout.

    Raises:
        ConfigError: it is not there, or is the one without action spaces.
    """
    if data is None:
        raise ConfigError("apibank needs --data: a checkout of the repository xingyaoww/code-act.")
    for inside in INSIDE:
        folder = data / inside
        if (folder / "evaluator.py").is_file() and (folder / SAMPLES).is_dir():
            if "ACTION_MODE_TO_CALL_PROMPT" in (folder / "evaluator.py").read_text("utf-8"):
                return folder.resolve()
            raise ConfigError(
                f"{folder} is API-Bank without action spaces; give scripts/eval/api-bank of code-act."
            )
    raise ConfigError(f"{data} holds no API-Bank; give the folder that has scripts/eval/api-bank/evaluator.py.")


def described(folder: Path) -> list[dict[str, Any]]:
    """Return the calls of level 1, read by the authors' code in a process of its own.

    Raises:
        ConfigError: their code does not run.
    """
    asked = f"{kernel.source()}\nprint()\nprint(describe({str(folder)!r}, {SAMPLES!r}))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConfigError(f"API-Bank in {folder} could not be read ({why}); check the checkout.")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _verdicts(ran: Execution) -> dict[str, Any]:
    text = "".join("".join(one["text"]) for one in ran.outputs if one.get("name") == "stdout")
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        what = f"{ran.error.ename}: {ran.error.evalue}" if ran.error else ran.status
        raise AttemptError(f"The reply could not be judged ({what}).") from None
    return found


def _failure(verdict: dict[str, Any]) -> str:
    if verdict["correct"]:
        return ""
    why = str(verdict["why"])
    if why.startswith("API name mismatch"):
        return "another API"
    return "no call that is read" if "No API call found" in why or "No valid action" in why else "wrong parameters"
