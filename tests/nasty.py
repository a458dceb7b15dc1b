"""Sentences that break programs, what each is being plain from its name; and drawing from them and from any text."""

import re

from hypothesis import strategies as st

# Sentences with something in them to read.
SENTENCES = {
    "escape sequence": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "control characters": "a\x08b\x0cc\x7fd",
    "C1 control characters": "a\x9b31mb\x85c",
    "line separators": "a\u2028b\u2029c",
    "carriage return inside": "a\rb",
    "tabs": "a\tb",
    "byte-order mark inside": "a\ufeffb",
    "zero-width space inside": "the\u200bdog .",
    "right to left": "שלום עולם .",
    "right-to-left override": "abc \u202egnp.exe",
    "emoji": "👩‍🚀 🏳️‍🌈 👍🏽",
    "combining marks": "Z̶̡a̷͝l̸g̵o",
    "combining mark alone": "\u0301",
    "no spaces": "漢字仮名交じり文",
    "all unknown": "Ω ≠ ω ∮",
    "ligatures that become several letters": "㌀ ﷺ ½",
    "no character": "\uffff \U0010ffff",
    "private use": "\ue000 \U000f0000",
    "markup": '<script>alert(1)</script> & "quotes" \' {{ 7 * 7 }}',
    "formula": r"$\foo$ costs $5 and $ _{x",
    "separators of our own formats": "a ||| b | c",
    "quotes": '"a" "" b"',
    "formula of a spreadsheet": "=1+1",
    "SentencePiece's signs": "a ▁b ▅ <s> </s> <unk> <0x0A>",
    "missing value": "NaN",
    "long word": "a" * 200,
}
# Nothing that a model could read, though Python finds letters there.
INVISIBLE = {
    "zero-width space": "\u200b",
    "byte-order mark": "\ufeff \ufeff",
    "word's start of SentencePiece": "▁ ▁",
    "replacement character": "\ufffd",
    "control character": "\x01",
}
BLANK = {"empty": "", "spaces": "  ", "tab": "\t", "no-break space": "\xa0", "line separator": "\u2028"}
# No text at all.
NO_TEXT = {"NUL": "a\0b", "half a surrogate pair": "a \ud800"}

TEN_THOUSAND_WORDS = "the dog . " * 3_334

READABLE = [*SENTENCES.values(), *INVISIBLE.values(), TEN_THOUSAND_WORDS]
TEXT = st.one_of(st.text(max_size=30), st.sampled_from([*READABLE[:-1], *BLANK.values()]))
# A line may hold anything but what ends it, and the mark that would be one of the file.
LINES = TEXT.map(lambda text: text.replace("\n", "").rstrip("\r").removeprefix("\ufeff")).filter(
    lambda text: not re.search("[\ud800-\udfff]", text)
)
