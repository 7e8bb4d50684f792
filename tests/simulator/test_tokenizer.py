"""The simulated ``/tokenize``: in form vLLM's, in numbers nobody's."""

import json
from http import HTTPStatus

import pytest

from pentameter.facts.languages import chosen_translations
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.server import SimulatedVllm
from pentameter.simulator.tokenizer import answer, tokenize
from pentameter.sources.tokenize import TokenizerSource

MODEL = DEFAULT.model.name


def ask(**question):
    return answer(json.dumps(question).encode(), MODEL, 4096)


def test_a_word_is_cut_into_pieces_of_four_bytes():
    assert [len(tokenize(text)) for text in ("", "free", "equal", "all human beings", "पर", "人人")] == [
        0,
        1,
        2,
        5,
        2,
        2,
    ]


def test_the_same_piece_is_the_same_token():
    first, second = tokenize("the the")
    assert first == second != tokenize("thus")[0]


def test_the_answer_has_vllms_fields():
    status, said = ask(model=MODEL, prompt="equal", add_special_tokens=False)
    assert status is HTTPStatus.OK
    assert said == {"count": 2, "max_model_len": 4096, "tokens": tokenize("equal")}
    assert ask(prompt="equal")[1] == said


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no JSON", HTTPStatus.BAD_REQUEST),
        (b"[]", HTTPStatus.BAD_REQUEST),
        (b"{}", HTTPStatus.BAD_REQUEST),
        (b'{"prompt": 7}', HTTPStatus.BAD_REQUEST),
        (b'{"model": "other", "prompt": "a"}', HTTPStatus.NOT_FOUND),
    ],
)
def test_a_question_that_is_none_is_refused(body, status):
    assert answer(body, MODEL, 4096)[0] is status


def test_a_source_counts_the_declaration_on_the_simulated_server():
    texts = {one.language: one.articles[:2] for one in chosen_translations(("hi",))}
    with SimulatedVllm() as simulated:
        source = TokenizerSource("a", simulated.start(), texts, english_words=1000)
        reading = source.read()
        source.close()
    assert reading.model_name == MODEL
    assert reading.tokens == {
        language: sum(len(tokenize(article)) for article in articles) for language, articles in texts.items()
    }
    assert reading.tokens["hi"] > 1.5 * reading.tokens["en"]
