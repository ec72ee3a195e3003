"""The engine under transformers models: the tokens of a fresh `generate`, whatever is kept of earlier turns."""

import pytest

from codeact_kernel.models.hf_engine import AUTO_LOOKUP, Counts, Engine, How, TooLongError

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[transformers,test]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[transformers,test]'")

import tiny_models  # noqa: E402 - it needs both


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_of(kind="Llama", draft=None, window=1024, **changes):
    made = tiny_models.model(kind, **changes)
    return Engine(made, ends=[tiny_models.SIZES["eos_token_id"]], window=window, draft=draft)


def prompt_of(seed, size):
    made = torch.Generator().manual_seed(seed)
    return torch.randint(0, len(tiny_models.WORDS), (size,), generator=made).tolist()


def fresh(engine, prompt, **how):
    """Return what transformers' own `generate` writes, without the token that ends it."""
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        out = engine.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, **how)
    return [token for token in out[0, len(prompt) :].tolist() if token not in engine.ends]


def ask(engine, prompt, **how):
    counts = Counts()
    return list(engine.reply(prompt, How(**{"max_tokens": 40, **how}), counts)), counts


def talk(engine, turns=4, **how):
    """Hold a conversation; return its rows (tokens evaluated, new ones) after checking every reply."""
    prompt, rows, seen = prompt_of(1, 60), [], 0
    for turn in range(turns):
        reply, counts = ask(engine, prompt, **how)
        assert reply == fresh(engine, prompt, max_new_tokens=40)
        rows.append((counts.prompt - counts.cached, len(prompt) - seen))
        seen = len(prompt) + len(reply)
        prompt = [*prompt, *reply, *prompt_of(10 + turn, 30)]
    return rows


@pytest.mark.parametrize("lookup", [0, 4])
def test_a_conversation_says_what_fresh_generate_says_and_evaluates_only_what_is_new(lookup):
    rows = talk(engine_of(), lookup=lookup)
    assert rows[0] == (60, 60)
    # The last token of a reply was written and not read yet.
    assert all(evaluated == new + 1 for evaluated, new in rows[1:])


@pytest.mark.parametrize("lookup", [0, 4])
@pytest.mark.parametrize(("seed", "layers"), [(0, 2), (1, 1)])
def test_a_draft_model_changes_no_reply_and_takes_no_turn_of_its_prefix(seed, layers, lookup):
    drafter = engine_of(seed=seed, num_hidden_layers=layers)
    rows = talk(engine_of(draft=drafter), draft=4, lookup=lookup)
    assert all(evaluated == new + 1 for evaluated, new in rows[1:])


def test_a_draft_model_that_guesses_right_saves_passes_and_keeps_its_own_prefix():
    drafter = engine_of(seed=0)
    engine = engine_of(draft=drafter)
    prompt = prompt_of(1, 60)
    reply, counts = ask(engine, prompt, draft=4)
    assert reply == ask(engine_of(), prompt)[0]
    assert counts.passes <= 2 + counts.written / 4
    assert len(drafter._slots) == 1
    assert drafter._slots[0].tokens[:60] == prompt


def test_a_draft_model_with_a_smaller_window_stops_helping():
    engine, prompt = engine_of(draft=engine_of(window=70)), prompt_of(1, 60)
    reply, counts = ask(engine, prompt, draft=4, endless=True)
    assert reply == ask(engine_of(), prompt, endless=True)[0]
    assert 28 < counts.passes < 40


def test_a_draft_model_leaves_the_odds_of_a_sampled_reply_alone():
    prompt, how = prompt_of(1, 30), {"temperature": 1.0, "seed": 7, "draft": 3}
    engine = engine_of(initializer_range=0.1, draft=engine_of(initializer_range=0.1, seed=1))
    plain, _ = ask(engine_of(initializer_range=0.1), prompt, temperature=1.0, seed=7)
    assert ask(engine, prompt, **how)[0] == plain


@pytest.mark.parametrize("at", [0, 1, 30, 59, 99])
def test_after_a_divergence_the_reply_is_that_of_a_fresh_generate(at):
    engine = engine_of()
    prompt = prompt_of(1, 100)
    ask(engine, prompt)
    changed = [*prompt[:at], (prompt[at] + 1) % 90, *prompt[at + 1 :]]
    reply, counts = ask(engine, changed)
    assert counts.cached == at
    assert reply == fresh(engine, changed, max_new_tokens=40)
    # What was cropped or set aside for it did no harm to the first conversation.
    assert ask(engine, prompt)[0] == fresh(engine, prompt, max_new_tokens=40)


def test_a_shorter_prompt_and_the_same_prompt_are_answered_from_the_cache():
    engine = engine_of()
    prompt = prompt_of(1, 100)
    first, _ = ask(engine, prompt)
    again, counts = ask(engine, prompt)
    assert again == first
    assert counts.cached == 99
    reply, counts = ask(engine, prompt[:80])
    assert counts.cached == 79
    assert reply == fresh(engine, prompt[:80], max_new_tokens=40)


def test_two_conversations_that_take_turns_keep_their_own_tokens():
    engine = engine_of()
    shared = prompt_of(1, 40)
    talks = [[*shared, *prompt_of(seed, 60)] for seed in (2, 3)]
    for turn in range(3):
        for number, prompt in enumerate(talks):
            reply, counts = ask(engine, prompt)
            assert reply == fresh(engine, prompt, max_new_tokens=40)
            if turn:
                assert counts.prompt - counts.cached == 21
            talks[number] = [*prompt, *reply, *prompt_of(100 + turn, 20)]


def test_kept_conversations_are_bounded_in_bytes_and_the_oldest_goes():
    engine = engine_of()
    ask(engine, prompt_of(1, 100))
    one = engine._slots[0].size()
    engine._cache_bytes = int(2.5 * one)
    for seed in range(2, 6):
        ask(engine, [seed, *prompt_of(seed, 99)])
    assert len(engine._slots) <= 3
    assert ask(engine, [5, *prompt_of(5, 99)])[1].cached == 99
    assert ask(engine, prompt_of(1, 100))[1].cached == 0


def test_without_reuse_everything_is_evaluated_and_nothing_is_kept():
    engine = engine_of()
    prompt = prompt_of(1, 100)
    ask(engine, prompt, fresh=True)
    reply, counts = ask(engine, prompt, fresh=True)
    assert counts.cached == 0
    assert reply == fresh(engine, prompt, max_new_tokens=40)


def test_a_sliding_window_never_changes_a_reply():
    engine = engine_of("Mistral", sliding_window=32)
    prompt = prompt_of(1, 100)
    talk(engine, turns=3)
    for at in (10, 90):
        changed = [*prompt[:at], (prompt[at] + 1) % 90, *prompt[at + 1 :]]
        ask(engine, prompt)
        assert ask(engine, changed)[0] == fresh(engine, changed, max_new_tokens=40)
    assert ask(engine, prompt, lookup=4)[0] == fresh(engine, prompt, max_new_tokens=40)


def test_a_model_whose_states_cannot_be_cut_reuses_whole_prefixes_and_says_the_same():
    engine = engine_of("Lfm2", layer_types=["conv", "full_attention"])
    prompt = prompt_of(1, 60)
    reply, _ = ask(engine, prompt, lookup=4)
    assert reply == fresh(engine, prompt, max_new_tokens=40)
    longer = [*prompt, *reply, *prompt_of(2, 20)]
    again, counts = ask(engine, longer)
    assert counts.prompt - counts.cached == 21
    assert again == fresh(engine, longer, max_new_tokens=40)
    changed = [*prompt[:30], *prompt_of(3, 30)]
    other, counts = ask(engine, changed)
    assert counts.cached == 0
    assert other == fresh(engine, changed, max_new_tokens=40)


def test_a_checkpoint_with_a_repetition_penalty_says_what_generate_says():
    engine = engine_of()
    engine.model.generation_config.repetition_penalty = 1.3
    talk(engine, lookup=3)


def test_a_reply_of_repetitions_takes_fewer_passes_with_lookup():
    engine = engine_of()
    prompt = prompt_of(3, 20) * 4
    plain, slow = ask(engine, prompt, max_tokens=120, endless=True)
    guessed, quick = ask(engine, prompt, max_tokens=120, endless=True, lookup=6)
    assert guessed == plain
    assert len(plain) == 120
    assert quick.passes < slow.passes


def test_guessing_is_left_to_the_engine_in_float32_only():
    engine = engine_of()
    prompt = prompt_of(3, 20) * 4
    _, told = ask(engine, prompt, max_tokens=120, endless=True, lookup=AUTO_LOOKUP)
    _, chosen = ask(engine, prompt, max_tokens=120, endless=True, lookup=-1)
    assert chosen.passes == told.passes < 121
    engine.model.to(torch.bfloat16)
    _, half = ask(engine, prompt, max_tokens=120, endless=True, lookup=-1, fresh=True)
    assert half.passes == half.written == 120


def test_a_long_prompt_is_evaluated_in_parts_between_which_stop_is_heard(monkeypatch):
    monkeypatch.setattr("codeact_kernel.models.hf_engine.PREFILL_TOKENS", 16)
    engine = engine_of()
    prompt, calls = prompt_of(1, 100), []

    def check():
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(engine.reply(prompt, How(), Counts(), check))
    # What was evaluated before the stop is not evaluated again.
    reply, counts = ask(engine, prompt)
    assert counts.cached == 48
    assert reply == fresh(engine, prompt, max_new_tokens=40)


def test_a_reply_that_is_left_in_the_middle_leaves_a_sound_cache():
    engine = engine_of()
    prompt = prompt_of(1, 50)
    stream = engine.reply(prompt, How(lookup=4), Counts())
    begun = [next(stream) for _ in range(5)]
    stream.close()
    reply, counts = ask(engine, prompt)
    assert reply[:5] == begun
    assert counts.cached == 49
    assert reply == fresh(engine, prompt, max_new_tokens=40)


def test_a_pass_that_fails_throws_its_cache_away():
    engine = engine_of()
    prompt = prompt_of(1, 50)
    ask(engine, prompt)
    layer = engine.model.model.layers[1]
    hook = layer.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError("planted")))
    with pytest.raises(MemoryError):
        ask(engine, [*prompt, 1, 2, 3])
    hook.remove()
    reply, counts = ask(engine, [*prompt, 1, 2, 3])
    assert counts.cached == 0
    assert reply == fresh(engine, [*prompt, 1, 2, 3], max_new_tokens=40)


def test_sampling_repeats_with_a_seed_and_follows_the_models_odds():
    engine = engine_of(initializer_range=0.1)
    prompt = prompt_of(1, 30)
    one, _ = ask(engine, prompt, temperature=1.0, seed=7)
    assert ask(engine, prompt, temperature=1.0, seed=7)[0] == one
    assert ask(engine, prompt, temperature=1.0, seed=7, lookup=3)[0] == one
    others = {tuple(ask(engine, prompt, temperature=1.0, seed=seed)[0]) for seed in range(5)}
    assert len(others) > 1
    assert ask(engine, prompt, temperature=1.0, top_p=1e-6)[0] == ask(engine, prompt)[0]


def test_the_window_bounds_the_reply_and_a_prompt_without_room_is_refused():
    engine = engine_of()
    prompt = prompt_of(1, 1020)
    reply, counts = ask(engine, prompt, endless=True)
    assert len(reply) == 4
    assert not counts.ended
    with pytest.raises(TooLongError, match="context size is 1024"):
        ask(engine, prompt_of(1, 1024))
