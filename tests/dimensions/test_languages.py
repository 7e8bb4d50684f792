"""Tokens and cost by language."""

import pytest

from builders import deployment, engine, found, value, world
from pentameter.dimensions.languages import samples
from pentameter.readings import LanguageReading

# As Mistral's Tekken counts the Declaration.
TEKKEN = {"en": 1531, "es": 1967, "hi": 2820}
WORDS = 1361


def reading(tokens=None, words=WORDS, server="a"):
    return LanguageReading(server, "m", TEKKEN if tokens is None else tokens, words, 0.0, 0.0)


def busy(price=3.6, **more):
    """Return a server of one GPU that reads 60 and writes 40 tokens a second, for 0.1 cents a second."""
    return deployment(engine({"prompt_tokens": 600.0, "generation_tokens": 400.0}), gpu_count=1, price=price, **more)


def of(*deployments, languages=None):
    return list(samples(world(*deployments, languages={"a": reading()} if languages is None else languages)))


def test_tokens_are_per_thousand_english_words():
    told = of(busy())
    assert value(told, "tokens_per_thousand_words", language="en") == pytest.approx(1124.908, abs=5e-4)
    assert value(told, "tokens_per_thousand_words", language="hi") == pytest.approx(2072.006, abs=5e-4)


def test_the_extra_cost_is_against_english_and_english_has_none():
    told = of(busy())
    assert value(told, "language_extra_cost_ratio", language="hi") == pytest.approx(0.84193, abs=5e-6)  # 2820 / 1531
    assert value(told, "language_extra_cost_ratio", language="es") == pytest.approx(0.28478, abs=5e-6)
    assert value(told, "language_extra_cost_ratio", language="en") == 0.0


def test_a_thousand_words_cost_their_tokens_at_the_blended_price():
    # 3.6 $/h are 0.001 $/s for 100 tokens: 10 $ per million. Of the lecture's English: 770 tokens, 0.77 cents.
    told = of(busy(), languages={"a": reading({"en": 770, "hi": 1400}, words=1000)})
    cost = {"window": "1m", "tokens": "blended"}
    assert value(told, "cost_per_thousand_words_dollars", language="en", **cost) == pytest.approx(0.0077, rel=1e-12)
    assert value(told, "cost_per_thousand_words_dollars", language="hi", **cost) == pytest.approx(0.0140, rel=1e-12)


def test_without_a_price_there_are_tokens_but_no_cost():
    told = of(busy(price=None))
    assert value(told, "tokens_per_thousand_words", language="en") is not None
    assert found(told, "cost_per_thousand_words_dollars") == []


def test_while_nothing_is_produced_a_word_has_no_cost():
    idle = deployment(engine({"prompt_tokens": 0.0, "generation_tokens": 0.0}), gpu_count=1, price=3.6)
    assert found(of(idle), "cost_per_thousand_words_dollars") == []


def test_without_english_there_is_nothing_to_compare_with():
    told = of(busy(), languages={"a": reading({"hi": 2820})})
    assert found(told, "language_extra_cost_ratio") == []
    assert value(told, "tokens_per_thousand_words", language="hi") is not None


def test_a_server_whose_tokenizer_is_not_known_says_nothing():
    assert of(busy(), languages={}) == []
    assert of(busy(), languages={"b": reading(server="b")}) == []


def test_two_servers_have_each_its_own_tokenizer():
    told = of(
        busy(),
        busy(server="b"),
        languages={"a": reading(), "b": reading({"en": 1638}, server="b")},
    )
    assert value(told, "tokens_per_thousand_words", server="b", language="en") == pytest.approx(1203.527, abs=5e-4)
    assert found(told, "tokens_per_thousand_words", server="b") == [pytest.approx(1203.527, abs=5e-4)]


def test_a_server_of_several_engines_has_one_tokenizer():
    one = {"prompt_tokens": 300.0, "generation_tokens": 200.0}
    both = deployment(engine(one, name="0"), engine(one, name="1"), gpu_count=1, price=3.6, name="")
    told = of(both, languages={"a": reading({"en": 770}, words=1000)})
    assert value(told, "tokens_per_thousand_words", engine="", language="en") == 770.0
    assert value(told, "cost_per_thousand_words_dollars", engine="", language="en") == pytest.approx(0.0077)
