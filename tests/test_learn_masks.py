"""Which tokens are taught, one by one: in ChatML with SmolLM2's tokenizer, and in CodeActAgent's format."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.errors import ConfigError
from codeact_kernel.learn.masks import IGNORED, cut, encoded, layout, tokens_of
from codeact_kernel.models import weights

pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[transformers,test]'")

SMOL = "smollm2-135m"
CODE = "I count.\n```python\nprint(len(df))\n```"
NONE: list = []


def say(role, content, trained=None):
    spans = ([[0, len(content)]] if role == "assistant" else []) if trained is None else trained
    return {"role": role, "content": content, "trained": spans}


TALK = [
    say("system", "You act."),
    say("user", "df: 3 rows\n\nTask: How many?"),
    say("assistant", "print(m)", NONE),
    say("user", "Output:\nNameError"),
    say("assistant", CODE),
    say("user", "The user changed the cell to:\n```python\nprint(len(df.index))\n```\n\n3"),
    say("assistant", "There are 3."),
]


class Characters:
    """A tokenizer with one token a character and ChatML's marks as one token each; no torch, no files."""

    is_fast = True
    chat_template = None
    eos_token = "<|im_end|>"
    marks = ("<|im_start|>", "<|im_end|>")

    def __call__(self, text, *, add_special_tokens, return_offsets_mapping):
        assert not add_special_tokens
        assert return_offsets_mapping
        ids, offsets, at = [], [], 0
        while at < len(text):
            mark = next((mark for mark in self.marks if text.startswith(mark, at)), text[at])
            ids.append(2_000_000 + self.marks.index(mark) if mark in self.marks else ord(mark))
            offsets.append((at, at + len(mark)))
            at += len(mark)
        return {"input_ids": ids, "offset_mapping": offsets}

    def decode(self, ids):
        return "".join(self.marks[one - 2_000_000] if one >= 2_000_000 else chr(one) for one in ids)


def taught(tokenizer, messages, **more):
    """Return the texts of the runs of taught tokens."""
    tokens = tokens_of(tokenizer, messages, **more)
    assert all(label in (IGNORED, token) for token, label in zip(tokens.ids, tokens.labels, strict=True))
    runs, run = [], []
    for token, label in [*zip(tokens.ids, tokens.labels, strict=True), (0, IGNORED)]:
        if label != IGNORED:
            run.append(token)
        elif run:
            runs.append(tokenizer.decode(run))
            run = []
    return runs


EXPECTED = [f"{CODE}<|im_end|>", "There are 3.<|im_end|>"]


def test_only_sound_replies_and_the_marks_that_end_them_are_taught():
    assert taught(Characters(), TALK) == EXPECTED


def test_codeactagents_format_is_taught_in_the_same_places():
    talk = [
        *TALK[:2],
        say("assistant", "<execute>print(3)</execute>"),
        say("user", "Output:\n3"),
        say("assistant", "It is 3."),
    ]
    text, _ = layout(Characters(), talk, codeact=True)
    assert "<|im_start|>user\nExecution Output:\n3<|im_end|>" in text
    assert taught(Characters(), talk, codeact=True) == [
        "<execute>print(3)</execute><|im_end|>",
        "It is 3.<|im_end|>",
    ]


def test_within_a_reply_the_words_of_a_person_are_left_out_to_the_character():
    words = "I count.\nprint(MINE)\ndone"
    begin = words.index("MINE")
    talk = [TALK[1], say("assistant", words, [[0, begin], [begin + 4, len(words)]])]
    assert taught(Characters(), talk) == ["I count.\nprint(", ")\ndone<|im_end|>"]


def test_a_reply_whose_end_is_not_taught_does_not_teach_to_stop_there():
    assert taught(Characters(), [TALK[1], say("assistant", "abc and", [[0, 3]])]) == ["abc"]


def test_a_template_that_strips_replies_is_followed_and_one_that_changes_them_is_refused():
    class Stripping(Characters):
        chat_template = "x"

        def apply_chat_template(self, messages, *, tokenize, add_generation_prompt):
            turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages]
            return "".join(turns) + ("<|im_start|>assistant\n" if add_generation_prompt else "")

    class Shouting(Stripping):
        def apply_chat_template(self, messages, **how):
            return super().apply_chat_template(messages, **how).upper()

    class Forgetting(Stripping):
        def apply_chat_template(self, messages, **how):
            kept = [m for m in messages[:-1] if m["role"] != "assistant"] + list(messages[-1:])
            return super().apply_chat_template(kept, **how)

    padded = [*TALK[:4], say("assistant", f"\n {CODE}  \n"), *TALK[5:]]
    assert taught(Stripping(), padded) == EXPECTED
    for kind in (Shouting, Forgetting):
        with pytest.raises(ConfigError, match="chat template"):
            tokens_of(kind(), TALK)


def test_a_row_that_is_too_long_is_cut_and_one_with_nothing_to_teach_is_left_out():
    tokens = tokens_of(Characters(), TALK)
    first = next(at for at, label in enumerate(tokens.labels) if label != IGNORED)
    assert cut(tokens, first + 3).taught == 3
    rows = [{"messages": TALK}]
    assert len(next(iter(encoded(Characters(), rows, first + 3))).ids) == first + 3
    assert list(encoded(Characters(), rows, first)) == []


SAID = st.text(min_size=1, max_size=30).filter(lambda text: "<|im_" not in text)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SAID, SAID, st.booleans()), min_size=1, max_size=4))
def test_whatever_is_said_exactly_the_taught_replies_are_taught(turns):
    talk, wanted = [], []
    for asked, reply, learnt in turns:
        talk += [say("user", asked), say("assistant", reply, None if learnt else NONE)]
        wanted += [f"{reply}<|im_end|>"] if learnt else []
    assert taught(Characters(), talk) == wanted


@pytest.fixture(scope="module")
def smol():
    """SmolLM2's own tokenizer, as the model's process reads it, from its converted weights."""
    from transformers import AutoTokenizer

    from codeact_kernel.models.hf_loading import converted_folder

    folder = converted_folder(weights.find(SMOL).sha256, "float32")
    if not (folder / "tokenizer.json").is_file():
        pytest.skip(f"{SMOL} was not converted on this machine: codeact doctor -m hf:{SMOL}")
    return AutoTokenizer.from_pretrained(str(folder))


def test_smollm2_is_taught_its_replies_token_by_token(smol):
    tokens = tokens_of(smol, TALK)
    assert taught(smol, TALK) == EXPECTED
    shown = [
        (smol.decode([token]), label != IGNORED) for token, label in zip(tokens.ids, tokens.labels, strict=True)
    ]
    at = next(number for number, (_, is_taught) in enumerate(shown) if is_taught)
    assert [text for text, _ in shown[at - 3 : at]] == ["ass", "istant", "\n"]
    assert [text for text, _ in shown[at : at + 2]] == ["I", " count"]
    end = next(number for number in range(at, len(shown)) if not shown[number][1])
    assert shown[end - 1][0] == "<|im_end|>"
    assert shown[end][0] == "\n"


def test_smollm2_reads_a_prompt_in_the_tokens_that_it_was_trained_on(smol):
    from codeact_kernel.models import hf_chat

    whole = tokens_of(smol, TALK)
    asked = smol(hf_chat.render(smol, TALK[:6]), add_special_tokens=False)["input_ids"]
    assert whole.ids[: len(asked)] == asked
    assert whole.labels[len(asked)] == whole.ids[len(asked)]


def test_a_tokenizer_like_codeactagents_is_taught_token_by_token(tmp_path):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", *(chr(code) for code in range(32, 127)), "\n", "\u2581", "pr", "in", "prin", "t", "print"]
    vocab = {word: number for number, word in enumerate(dict.fromkeys(words))}
    plain = Tokenizer(models.BPE(vocab=vocab, merges=[("p", "r"), ("i", "n"), ("pr", "in"), ("prin", "t")]))
    plain.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first")
    plain.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="first")
    plain.add_special_tokens([AddedToken(mark, special=True) for mark in ("<s>", "<|im_start|>", "<|im_end|>")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|im_end|>", bos_token="<s>")
    talk = [
        *TALK[:2],
        say("assistant", "<execute>print(3)</execute>"),
        say("user", "Output:\n3"),
        say("assistant", "It is 3."),
    ]
    tokens = tokens_of(tokenizer, talk, codeact=True)
    shown = [
        tokenizer.convert_ids_to_tokens(token)
        for token, label in zip(tokens.ids, tokens.labels, strict=True)
        if label != IGNORED
    ]
    first = [*"<execute>", "print", *"(3)</execute>", "<|im_end|>"]
    assert shown == [*first, *"It\u2581is\u25813.", "<|im_end|>"]
