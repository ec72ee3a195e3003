"""Messages -> the text that a checkpoint was trained on; its tokens -> text, piece by piece."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHATML_END, CHATML_REPLY = "<|im_end|>", "<|im_start|>assistant\n"
CODEACT_NAME = "codeactagent"
CODEACT_KEY = "codeact_format"
"""A key of config.json; "execute" says that a checkpoint was trained on CodeActAgent's format."""
WORDS_KEY, WORDS = "codeact_words", ("system-codeactagent", "system-tuned")
"""A key of config.json or adapter_config.json, and what it may say: the system prompt of the tuning."""
NAMING = ("_name_or_path", "_model_name_or_path", "base_model_name_or_path")
OUR_OUTPUT, ITS_OUTPUT = "Output:\n", "Execution Output:\n"
HEADS = (OUR_OUTPUT, ITS_OUTPUT, "Observation:\n")
"""How what came of code begins: in our episodes, in CodeActAgent's own data, in those it was collected as."""
UNFINISHED = "\ufffd"
"""What a tokenizer shows for the first bytes of a character."""


def is_codeact(name: str, settings: Mapping[str, Any]) -> bool:
    """Say whether a checkpoint speaks CodeActAgent's format, from its name or folder and its settings.

    `settings` are those of its config.json and, for an adapter, of its adapter_config.json.
    """
    known = (name, *(str(settings.get(key) or "") for key in NAMING))
    return settings.get(CODEACT_KEY) == "execute" or any(
        CODEACT_NAME in PurePath(word).name.lower() for word in known
    )


def trained_words(settings: Mapping[str, Any], *, codeact: bool) -> str:
    """Name the system prompt that a checkpoint was tuned on, "system" for ours."""
    named = settings.get(WORDS_KEY)
    if named in WORDS:
        return str(named)
    return "system-codeactagent" if codeact else "system"


def chatml(messages: Sequence[Mapping[str, str]]) -> str:
    """Return messages in ChatML, ending where the assistant begins."""
    turns = [f"<|im_start|>{message['role']}\n{message['content']}{CHATML_END}\n" for message in messages]
    return "".join(turns) + CHATML_REPLY


def render(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], *, codeact: bool = False, reply: bool = True
) -> str:
    """Return the prompt's text: by the tokenizer's chat template, in ChatML where it has none.

    With `reply` it ends where the assistant begins, else with the last message. A template that refuses a system
    message gets its words at the head of the first user message. CodeActAgent's checkpoints always get ChatML,
    with observations headed as they were in training.
    """
    if codeact or not getattr(tokenizer, "chat_template", None):
        text = chatml(as_trained(messages) if codeact else messages)
        return text if reply else text.removesuffix(CHATML_REPLY)
    try:
        return _templated(tokenizer, messages, reply=reply)
    except Exception:
        if messages[0]["role"] != "system":
            raise
        return _templated(tokenizer, _without_system(messages), reply=reply)


def _templated(tokenizer: Any, messages: Sequence[Mapping[str, str]], *, reply: bool) -> str:
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=reply))


def _without_system(messages: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Put the words of the system message before those of the first user message."""
    system, *rest = messages
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system["content"]}, *rest]
    return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def as_trained(messages: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Head what follows an action as CodeActAgent's training data did."""
    shown: list[Mapping[str, str]] = []
    acted = False
    for message in messages:
        content = message["content"]
        if acted and message["role"] == "user":
            for head in HEADS:
                content = content.removeprefix(head)
            content = ITS_OUTPUT + content
        shown.append({"role": message["role"], "content": content})
        acted = message["role"] == "assistant" and "<execute>" in content
    return shown


class Pieces:
    """Token numbers -> text as it grows; a character comes when its last byte is there.

    Tokens are decoded together with a few before them, since a tokenizer may join them in another way alone.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = self._shown = 0

    def feed(self, token: int) -> str:
        """Return the new text."""
        self._ids.append(token)
        return self._new(whole=False)

    def flush(self) -> str:
        """Return what was held back, once the reply has ended."""
        return self._new(whole=True)

    def _new(self, *, whole: bool) -> str:
        before = self._text(self._ids[self._start : self._shown])
        text = self._text(self._ids[self._start :])
        if len(text) <= len(before) or (text.endswith(UNFINISHED) and not whole):
            return ""
        self._start, self._shown = self._shown, len(self._ids)
        return text[len(before) :]

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
