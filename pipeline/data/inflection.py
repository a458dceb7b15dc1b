"""German endings: articles and adjectives by gender, number and case."""

from typing import Literal, NamedTuple

Case = Literal["nom", "acc", "dat"]

# The definite article by case, in the order m, f, n, plural; dieser, jeder and the relative pronoun follow it.
_DEFINITE = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
}
_STRONG_ENDING = {"nom": ("er", "e", "es", "e"), "acc": ("en", "e", "es", "e"), "dat": ("em", "er", "em", "en")}
_EIN_ENDING = {"nom": ("", "e", "", "e"), "acc": ("en", "e", "", "e"), "dat": ("em", "er", "em", "en")}
_WEAK_ENDING = {"nom": ("e", "e", "e", "en"), "acc": ("en", "e", "e", "en"), "dat": ("en", "en", "en", "en")}
_MIXED_ENDING = {"nom": ("er", "e", "es", "en"), "acc": ("en", "e", "es", "en"), "dat": ("en", "en", "en", "en")}


class Determiner(NamedTuple):
    """English word and, for German, stem + endings for itself, and the endings of an adjective after it."""

    word: str
    stem: str
    endings: dict[str, tuple[str, ...]]
    adjective_endings: dict[str, tuple[str, ...]]
    number: str  # "singular", "plural" or "both"


_INVARIABLE = dict.fromkeys(("nom", "acc", "dat"), ("", "", "", ""))
DETERMINERS = [
    Determiner("the", "", _DEFINITE, _WEAK_ENDING, "both"),
    Determiner("this", "dies", _STRONG_ENDING, _WEAK_ENDING, "singular"),
    Determiner("these", "dies", _STRONG_ENDING, _WEAK_ENDING, "plural"),
    Determiner("every", "jed", _STRONG_ENDING, _WEAK_ENDING, "singular"),
    Determiner("a", "ein", _EIN_ENDING, _MIXED_ENDING, "singular"),
    Determiner("my", "mein", _EIN_ENDING, _MIXED_ENDING, "both"),
    Determiner("no", "kein", _EIN_ENDING, _MIXED_ENDING, "both"),
    Determiner("two", "zwei", _INVARIABLE, _STRONG_ENDING, "plural"),
    Determiner("some", "einig", _STRONG_ENDING, _STRONG_ENDING, "plural"),
]
DETERMINER_WEIGHTS = [6, 1, 1, 1, 4, 1.5, 1, 1, 1]


def dative_plural(noun: str) -> str:
    """den Hunden, but den Gärten and den Babys: -n unless the plural ends in -n or -s."""
    return noun if noun[-1] in "ns" else noun + "n"


def definite_article(case: Case, column: int) -> str:
    """der, die, das, die, …; `column` is 0, 1, 2 for singular m, f, n and 3 for plural."""
    return _DEFINITE[case][column]


def relative_pronoun(case: Case, column: int) -> str:
    """The definite article, but *denen* in the dative plural."""
    return "denen" if (case, column) == ("dat", 3) else _DEFINITE[case][column]
