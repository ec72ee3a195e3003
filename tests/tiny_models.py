"""Tiny random models with a tokenizer of ASCII characters, made on the spot; they need torch and transformers."""

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


def tokenizer():
    """Return a tokenizer with one token a character, without a chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(WORDS)}, merges=[]))
    plain.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
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


def save_gguf(path, seed=0):
    """Write a tiny random Llama as a GGUF file with llama.cpp's names and return the path."""
    import gguf
    import numpy as np

    numbers = np.random.default_rng(seed)
    wide, inner, heads, small = 64, 128, 4, 2
    names = [
        *(chr(code) for code in range(33, 127)),
        "\u0120",
        "\u010a",
        "\u0120\u0120",
    ]  # byte-level BPE's spaces
    tokens = [*names, *MARKS]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(2)
    writer.add_context_length(1024)
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
    writer.add_token_types([gguf.TokenType.NORMAL] * len(names) + [gguf.TokenType.CONTROL] * len(MARKS))
    writer.add_token_merges(["\u0120 \u0120"])
    writer.add_bos_token_id(len(names))
    writer.add_eos_token_id(len(names) + 2)
    kv = wide * small // heads
    shapes = {"token_embd": (len(tokens), wide), "output": (len(names) + len(MARKS), wide)}
    for block in range(2):
        shapes |= {f"blk.{block}.attn_{name}": (size, wide) for name, size in (("q", wide), ("k", kv), ("v", kv))}
        shapes |= {f"blk.{block}.attn_output": (wide, wide), f"blk.{block}.ffn_down": (wide, inner)}
        shapes |= {f"blk.{block}.ffn_{name}": (inner, wide) for name in ("gate", "up")}
    for name, shape in shapes.items():
        values = numbers.normal(0, 0.5, shape).astype(np.float32)
        if name == "output":
            values[len(names) :] = 0
        writer.add_tensor(f"{name}.weight", values)
    for name in ("output_norm", *(f"blk.{block}.{kind}_norm" for block in range(2) for kind in ("attn", "ffn"))):
        writer.add_tensor(f"{name}.weight", np.ones(wide, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
