"""Secrets in settings and files; that no message quotes one is tested with the HTTP client."""

import pytest

from pentameter.sources import SourceError
from pentameter.sources.secret import Secret


def test_a_secret_is_the_setting_or_the_line_in_the_file_or_empty(tmp_path):
    file = tmp_path / "file"
    file.write_text(" of-the-file \n")
    assert Secret("token", "of-the-setting").read() == "of-the-setting"
    assert Secret("token", file=str(file)).read() == "of-the-file"
    assert Secret("token").read() == ""


def test_a_secret_is_in_no_repr():
    assert "hidden" not in repr(Secret("token", "hidden"))


def test_a_password_may_have_other_letters_than_ascii_and_a_token_may_not(tmp_path):
    file = tmp_path / "file"
    file.write_text("ünïcode", encoding="utf-8")
    assert Secret("password", file=str(file), ascii_only=False).read() == "ünïcode"
    with pytest.raises(SourceError, match=r"the token in .* is not one line of printable ASCII") as caught:
        Secret("token", file=str(file)).read()
    assert caught.value.reason == "credentials"


def test_a_file_of_two_lines_is_no_password(tmp_path):
    file = tmp_path / "file"
    file.write_text("hidden\nhidden")
    with pytest.raises(SourceError, match=r"the password in .* is not one line of printable text") as caught:
        Secret("password", file=str(file), ascii_only=False).read()
    assert "hidden" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read the token: .*nowhere"):
        Secret("token", file=str(tmp_path / "nowhere")).read()
