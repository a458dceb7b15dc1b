"""Text of files and models as it may be shown: nothing in it can command a terminal or reorder a line."""

import re

# Control characters (escape sequences start with one), line and paragraph separators, what reorders or hides text
# around itself (Boucher & Anderson 2021), and halves of surrogate pairs, which no encoding can write.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
_DELETE = 0x7F


def printable(text: str) -> str:
    """The text with a picture in the place of each character that must not reach a terminal: "␛" for escape, else "�".

    As long as the text was, so that columns stay where they are. Letters of all scripts, emoji and combining marks are
    left alone.
    """
    return _UNSHOWABLE.sub(lambda found: _picture(ord(found.group())), text)


def _picture(code: int) -> str:
    if code < ord(" "):
        return chr(_CONTROL_PICTURES + code)
    return "␡" if code == _DELETE else "\ufffd"
