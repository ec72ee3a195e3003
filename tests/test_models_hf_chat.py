"""The text that a checkpoint is asked with, and its tokens as text; no torch is needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent import observation, prompt
from codeact_kernel.agent.formats import code
from codeact_kernel.models import hf_chat
from codeact_kernel.types import Execution, Message

TALK = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "U"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "Output:\n3\n\nGo on."},
]


class Template:
    """A tokenizer with a chat template; `strict` ones refuse a system message, as Gemma's did."""

    chat_template = "{{ messages }}"

    def __init__(self, *, strict=False):
        self.strict = strict

    def apply_chat_template(self, messages, *, tokenize, add_generation_prompt):
        assert not tokenize
        assert add_generation_prompt
        if self.strict and any(message["role"] == "system" for message in messages):
            raise ValueError("System role not supported")
        return "".join(f"[{message['role']}]{message['content']}" for message in messages) + "[assistant]"


def test_a_checkpoint_without_a_template_is_asked_in_chatml():
    assert hf_chat.render(object(), TALK[:2]) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_template_is_used_and_one_that_refuses_a_system_message_gets_its_words_all_the_same():
    assert hf_chat.render(Template(), TALK[:2]) == "[system]S[user]U[assistant]"
    assert hf_chat.render(Template(strict=True), TALK[:2]) == "[user]S\n\nU[assistant]"
    assert hf_chat.render(Template(strict=True), TALK[:1]) == "[user]S[assistant]"


def test_a_template_that_refuses_for_another_reason_is_an_error():
    broken = Template()
    broken.apply_chat_template = lambda *_, **__: (_ for _ in ()).throw(ValueError("roles must alternate"))
    for talk in (TALK[1:2], TALK):
        with pytest.raises(ValueError, match="alternate"):
            hf_chat.render(broken, talk)


def test_codeactagent_is_asked_in_chatml_with_observations_as_it_knows_them():
    acted = [*TALK[:2], {"role": "assistant", "content": "<execute>print(3)</execute>"}, TALK[3]]
    text = hf_chat.render(Template(), acted, codeact=True)
    assert text.endswith("<|im_start|>user\nExecution Output:\n3\n\nGo on.<|im_end|>\n<|im_start|>assistant\n")
    assert "[user]" not in text


def test_codeactagents_own_observations_are_not_headed_twice():
    for head in ("Output:\n", "Execution Output:\n", "Observation:\n"):
        acted = [*TALK[:2], {"role": "assistant", "content": "<execute>print(3)</execute>"}]
        text = hf_chat.render(Template(), [*acted, {"role": "user", "content": f"{head}3"}], codeact=True)
        assert "<|im_start|>user\nExecution Output:\n3<|im_end|>" in text
    failed = [*acted[:3], {"role": "user", "content": "NameError: x"}]
    assert "<|im_start|>user\nExecution Output:\nNameError: x<|im_end|>" in hf_chat.render(
        None, failed, codeact=True
    )
    assert "Execution Output" not in hf_chat.render(None, TALK, codeact=True)
    printed = Execution("ok", outputs=({"output_type": "stream", "name": "stdout", "text": "3\n"},))
    assert observation.observe(printed).text.startswith(hf_chat.OUR_OUTPUT)


def test_codeactagent_is_known_by_its_name_and_by_its_settings():
    assert hf_chat.is_codeact("xingyaoww/CodeActAgent-Mistral-7b-v0.1", {})
    assert hf_chat.is_codeact("/home/me/mine", {"_name_or_path": "xingyaoww/CodeActAgent-Llama-2-7b"})
    assert hf_chat.is_codeact("/home/me/mine", {"codeact_format": "execute"})
    assert hf_chat.is_codeact(
        "/home/me/lora", {"base_model_name_or_path": "xingyaoww/CodeActAgent-Mistral-7b-v0.1"}
    )
    assert not hf_chat.is_codeact("/home/me/codeactagent/qwen", {"_name_or_path": None})
    assert not hf_chat.is_codeact("Qwen/Qwen2.5-Coder-7B-Instruct", {"codeact_format": "python"})


def test_its_system_prompt_teaches_the_tags_that_we_read():
    said = prompt.words("system-codeactagent")
    assert '<execute> print("Hello World!") </execute>' in said
    assert code.parse("I look.\n<execute>print(1)", "stop_sequence").code == "print(1)"
    assert "</execute>" in code.STOP
    assert prompt.build(said, [])[0] == Message("system", said)


class Bytes:
    """A tokenizer whose tokens are bytes, the hardest case: a character is up to four of them."""

    def decode(self, ids, **_):
        return bytes(ids).decode("utf-8", "replace")


@given(st.text())
def test_pieces_add_up_to_the_text_and_never_show_half_a_character(text):
    pieces, shown = hf_chat.Pieces(Bytes()), []
    for byte in text.encode():
        shown.append(pieces.feed(byte))
        assert text.startswith("".join(shown)) or hf_chat.UNFINISHED in text
    assert "".join(shown) + pieces.flush() == text


def test_a_reply_that_ends_within_a_character_shows_that_it_does():
    pieces = hf_chat.Pieces(Bytes())
    assert [pieces.feed(byte) for byte in "aé".encode()[:2]] == ["a", ""]
    assert pieces.flush() == hf_chat.UNFINISHED
