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
