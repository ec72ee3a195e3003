"""General ability: the sets are sound, the likelihoods are the model's, the intervals are honest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel import cli
from codeact_kernel.cli_improve import lines_of
from codeact_kernel.errors import ConfigError
from codeact_kernel.learn.ability import Ability, change, interval, measure, questions, texts


def ability(nats, tokens=None, right=(True, False), model="m"):
    return Ability(model, tuple(nats), tuple(tokens or [10] * len(nats)), tuple(right))


def test_the_sets_are_large_enough_and_have_no_repeats_and_no_lopsided_choices():
    assert len(texts()) == len(set(texts())) == 100
    assert all(40 < len(text) < 250 for text in texts())
    assert len({asked.question for asked in questions()}) == len(questions()) >= 40
    assert all(len(set(asked.choices)) == 4 for asked in questions())
    places = [asked.right for asked in questions()]
    assert [places.count(place) for place in range(4)] == [len(places) / 4] * 4
    assert not set(texts()) & {asked.question for asked in questions()}


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(1, 60), min_size=3, max_size=20))
def test_the_interval_lies_among_the_texts_and_the_same_model_does_not_change(nats):
    one = ability(nats)
    low, high = interval(one)
    assert math.exp(min(nats) / 10) * (1 - 1e-9) <= low <= high <= math.exp(max(nats) / 10) * (1 + 1e-9)
    assert change(one, one) == (1.0, 1.0, 1.0)


def test_the_interval_of_equal_texts_is_a_point_and_that_of_many_texts_is_narrow():
    assert interval(ability([20.0] * 5)) == pytest.approx((math.e**2, math.e**2))
    few, many = (interval(ability([10.0, 20.0, 30.0, 40.0] * times)) for times in (3, 60))
    assert many[0] > few[0]
    assert many[1] < few[1]
    assert many[0] < ability([10.0, 20.0, 30.0, 40.0]).perplexity < many[1]


def test_a_change_of_every_text_is_a_sharp_one():
    base = ability([20.0, 30.0, 25.0])
    worse = ability([nats + math.log(1.1) * 10 for nats in base.nats])
    factor, low, high = change(base, worse)
    assert (round(factor, 6), round(low, 6), round(high, 6)) == (1.1, 1.1, 1.1)
    with pytest.raises(ConfigError, match="different tokenizers"):
        change(base, ability([1.0, 2.0, 3.0], [9, 9, 9]))


def test_what_is_said_of_a_tuned_model_compares_it_with_its_base():
    base = ability([20.0] * 4, right=(True, True, False, False), model="base")
    tuned = ability([21.0] * 4, right=(True, False, True, True), model="tuned")
    assert len(lines_of(base, base)) == 2
    said = "\n".join(lines_of(base, tuned))
    assert "questions 3 (75 %" in said
    assert "lost 1, won 2" in said
    assert "perplexity x 1.105" in said


def test_likelihoods_are_those_of_the_model(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[transformers,test]'")
    pytest.importorskip("transformers", reason="transformers is not installed")
    import tiny_models

    folder = tiny_models.save(tmp_path / "tiny")
    found = measure(str(folder), "cpu")
    model, tokenizer = tiny_models.model(), tiny_models.tokenizer()
    model.lm_head.weight.data[len(tiny_models.WORDS) :] = 0
    ids = torch.tensor([tokenizer(texts()[3], add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        loss = model(ids, labels=ids).loss.item()
    assert found.tokens[3] == ids.shape[1] - 1
    assert found.nats[3] / found.tokens[3] == pytest.approx(loss, rel=1e-4)
    assert len(found.right) == len(questions())
    assert (
        cli.main(["ability", str(folder), str(folder), "--device", "cpu", "--out", str(tmp_path / "a.json")]) == 0
    )
    assert "perplexity x 1.000 (1.000 to 1.000), questions lost 0, won 0" in capsys.readouterr().out
