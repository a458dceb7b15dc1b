"""What people write about words, and what words do to a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.alignment import format_pharaoh, parse_pharaoh
from pipeline.errors import UserError
from pipeline.printable import printable
from tests.commands import refusal_of


@given(st.text("0123456789-p x²٣\x1b", max_size=12) | st.just("9" * 5000 + "-0"))
def test_any_line_is_links_or_refused(line):
    refusal = refusal_of(lambda: parse_pharaoh(line, "gold, line 3"))
    assert len(refusal) < 200
    if "gold, line 3: " not in refusal:
        links = parse_pharaoh(line, "gold, line 3")
        assert len(links) == len(line.split())
        written = format_pharaoh({(link.src, link.tgt) for link in links})
        assert {link[:2] for link in parse_pharaoh(written, "again")} == {link[:2] for link in links}


@given(st.text(st.characters()))
def test_printable_text_has_as_many_characters_and_none_that_commands(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert printable(shown) == shown
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert all(a == b for a, b in zip(text, shown, strict=True) if b not in "\ufffd␡" and not 0x2400 <= ord(b) < 0x2420)


def test_readable_text_is_left_alone_and_an_error_is_one_line():
    for text in ("Ärger", "שלום", "👩‍🚀 👍🏽", "e\u0301", "漢字"):
        assert printable(text) == text
    assert printable("\x1b[31m\x7f\x9b\u202e") == "␛[31m␡\ufffd\ufffd"
    assert str(UserError("one\n  two\x1b")) == "one two␛"
