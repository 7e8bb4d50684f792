"""The shipped text: whole, clean and parallel."""

import unicodedata

import pytest

from pentameter.cost.languages import LECTURE, count_words
from pentameter.facts.languages import ARTICLES, chosen_translations, translations

SHIPPED = {one.language: one for one in translations()}
SCRIPTS = {
    "ru": "CYRILLIC",
    "ar": "ARABIC",
    "hi": "DEVANAGARI",
    "ja": ("HIRAGANA", "CJK", "KATAKANA"),
    "zh": "CJK",
    "ko": "HANGUL",
    "bn": "BENGALI",
}

every = pytest.mark.parametrize("one", SHIPPED.values(), ids=list(SHIPPED))


def test_the_lectures_languages_come_first_and_english_before_all():
    assert list(SHIPPED)[: len(LECTURE)] == list(LECTURE)
    assert [one.name for one in SHIPPED.values()][:3] == ["English", "Spanish", "German"]
    assert len(SHIPPED) == 15


@every
def test_a_translation_has_all_thirty_articles(one):
    assert len(one.articles) == ARTICLES == 30
    assert len(set(one.articles)) == 30
    assert min(map(len, one.articles)) > 10
    assert len(one.iso639_3) == 3


@every
def test_an_article_has_as_many_paragraphs_as_in_english(one):
    assert [article.count("\n") for article in one.articles] == [
        article.count("\n") for article in SHIPPED["en"].articles
    ]


@every
def test_an_article_is_about_as_long_as_the_languages_others(one):
    """A paragraph that is missing, or that stands twice, would show."""
    english = SHIPPED["en"].articles
    length = sum(map(len, one.articles)) / sum(map(len, english))
    for ours, theirs in zip(one.articles, english, strict=True):
        assert 0.6 < len(ours) / len(theirs) / length < 1.6, ours


@every
def test_nothing_but_text_is_in_it(one):
    for article in one.articles:
        assert unicodedata.normalize("NFC", article) == article
        for line in article.split("\n"):
            assert line == " ".join(line.split())
        odd = {c for c in article if unicodedata.category(c) in {"Cc", "Cf", "Cn", "Co", "Cs"} or c in "<>&#{}[]\u2010"}
        assert odd <= {"\n"}
        assert article[-1] in ".。।؛;" or article[-1].isalpha() or unicodedata.category(article[-1]) == "Mn", article


@every
def test_the_letters_are_of_the_languages_script(one):
    scripts = SCRIPTS.get(one.language, "LATIN")
    letters = [c for article in one.articles for c in article if c.isalpha()]
    assert all(unicodedata.name(c).startswith(scripts) for c in letters)


def test_the_first_article_is_what_everybody_knows():
    assert SHIPPED["en"].articles[0].startswith("All human beings are born free and equal in dignity and rights.")
    assert SHIPPED["de"].articles[0].startswith("Alle Menschen sind frei und gleich an Würde und Rechten geboren.")
    assert SHIPPED["fr"].articles[0].startswith("Tous les êtres humains naissent libres et égaux en dignité")
    assert SHIPPED["ja"].articles[0].startswith("すべての人間は、生まれながらにして自由であり、")
    assert SHIPPED["zh"].articles[0].endswith("他们赋有理性和良心\uff0c并应以兄弟关系的精神相对待。")


def test_the_english_articles_have_1361_words():
    # Counted by ``wc -w`` on the same text.
    assert count_words(SHIPPED["en"].articles) == 1361


def test_english_is_always_among_the_chosen():
    assert [one.language for one in chosen_translations(("ja", "de"))] == ["en", "de", "ja"]
    assert [one.language for one in chosen_translations(())] == list(SHIPPED)


def test_a_language_that_is_not_shipped_is_refused_by_name():
    with pytest.raises(ValueError, match=r"economics\.languages\.languages: unknown tlh, xx; known: en, es, de"):
        chosen_translations(("xx", "de", "tlh"))
