"""Tiny models with a tokenizer of ASCII characters, made on the spot; they need torch and transformers, or gguf.

They are random, or say one and the same thing after every prompt: each token is followed by one other.
"""

import string

WORDS = [*string.printable]
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SIZES = {
    "vocab_size": len(WORDS) + len(MARKS),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    # A random model of the usual spread says nearly the same of every token; greedy replies would hang on rounding.
    "initializer_range": 0.5,
    "bos_token_id": len(WORDS),
    "eos_token_id": len(WORDS) + 2,
    "pad_token_id": len(WORDS),
}


CHATML = (
    "{% for one in messages %}<|im_start|>{{ one['role'] }}\n{{ one['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(says=()):
    """Return a tokenizer with one token a character and one for each piece, without a chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(WORDS)}, merges=[]))
    plain.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    plain.add_tokens([AddedToken(piece, normalized=False) for piece in says])
    plain.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|im_end|>", bos_token="<|endoftext|>")


def model(kind="Llama", seed=0, **changes):
    """Return a random model of one of transformers' kinds, ready to be asked."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def save(folder, **changes):
    """Write a tiny Llama and its tokenizer into a folder and return it."""
    made = model(**changes)
    # Marks have no text, and so a reply with one is read in other tokens than it was written in.
    made.lm_head.weight.data[len(WORDS) :] = 0
    made.save_pretrained(str(folder))
    tokenizer().save_pretrained(str(folder))
    return folder


def chain(tokens, says, newline):
    """Return, for each token, the one that follows it: pieces one after another, then the end; else the first."""
    first, end = len(tokens) - len(says), tokens.index("<|im_end|>")
    pieces = list(range(first, len(tokens)))
    follows = dict.fromkeys(range(len(tokens)), first)
    return {**follows, tokens.index(newline): first, **dict(zip(pieces, [*pieces[1:], end], strict=True))}


def save_parrot(folder, says):
    """Write a model that says these pieces, which must differ, after every prompt in ChatML; return its folder."""
    import torch

    tokens = [*WORDS, *MARKS, *says]
    wide = -(-len(tokens) // 16) * 16
    made = model(vocab_size=len(tokens), hidden_size=wide, max_position_embeddings=8192)
    with torch.no_grad():
        for layer in made.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        made.model.embed_tokens.weight.copy_(torch.eye(len(tokens), wide))
        made.lm_head.weight.zero_()
        for before, after in chain(tokens, says, "\n").items():
            made.lm_head.weight[after, before] = 4.0
    made.save_pretrained(str(folder))
    words = tokenizer(says)
    words.chat_template = CHATML
    words.save_pretrained(str(folder))
    return folder


def save_gguf(path, seed=0, says=()):
    """Write a tiny Llama as a GGUF file with llama.cpp's names; random, or one that says these pieces."""
    import gguf
    import numpy as np

    numbers = np.random.default_rng(seed)
    wide, inner, heads, small = 128, 128, 4, 2
    names = [
        *(chr(code) for code in range(33, 127)),
        "\u0120",
        "\u010a",
        "\u0120\u0120",
    ]  # byte-level BPE's spaces
    tokens = [*names, *MARKS, *says]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(2)
    writer.add_context_length(8192 if says else 1024)
    writer.add_embedding_length(wide)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(small)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    kinds = ((gguf.TokenType.NORMAL, names), (gguf.TokenType.CONTROL, MARKS), (gguf.TokenType.USER_DEFINED, says))
    writer.add_token_types([kind for kind, members in kinds for _ in members])
    writer.add_token_merges(["\u0120 \u0120"])
    writer.add_bos_token_id(len(names))
    writer.add_eos_token_id(len(names) + 2)
    kv = wide * small // heads
    shapes = {"token_embd": (len(tokens), wide), "output": (len(tokens), wide)}
    for block in range(2):
        shapes |= {f"blk.{block}.attn_{name}": (size, wide) for name, size in (("q", wide), ("k", kv), ("v", kv))}
        shapes |= {f"blk.{block}.attn_output": (wide, wide), f"blk.{block}.ffn_down": (wide, inner)}
        shapes |= {f"blk.{block}.ffn_{name}": (inner, wide) for name in ("gate", "up")}
    for name, shape in shapes.items():
        values = numbers.normal(0, 0.5, shape).astype(np.float32)
        if name == "output":
            values[len(names) :] = 0
        if says and name == "token_embd":
            values = np.eye(*shape, dtype=np.float32)
        elif says and (name == "output" or name.endswith(("attn_output", "ffn_down"))):
            values[:] = 0
        if says and name == "output":
            for before, after in chain(tokens, says, "\u010a").items():
                values[after, before] = 4.0
        writer.add_tensor(f"{name}.weight", values)
    for name in ("output_norm", *(f"blk.{block}.{kind}_norm" for block in range(2) for kind in ("attn", "ffn"))):
        writer.add_tensor(f"{name}.weight", np.ones(wide, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
