"""Sentences in the making: the words of both languages, each in its own order, tied to one another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.data.corpus import Link, SentencePair

Order = Literal["subject_first", "inverted", "verb_final"]

# What a link can be an example of.
PHENOMENA = {
    "word": "word for word",
    "article": "article that agrees with its noun, or that only German has",
    "adjective": "adjective whose ending agrees in gender, number and case",
    "verb_final": "verb at the end of a subordinate or relative clause",
    "modal": "infinitive at the end, after a modal verb",
    "separable": "separable verb: one source word, two target words",
    "compound": "compound: two source words, one target word",
    "relative": "relative pronoun that agrees with the noun before it",
    "agreement": "verb whose subject has a relative clause between it and the verb in the source",
    "comma": "comma that German sets",
}


@dataclass(eq=False)
class SrcWord:
    """A word of the source; two words are the same only if they are the same object."""

    text: str


@dataclass(eq=False)
class TgtWord:
    """A word of the target with the source words it translates (sure) or depends on (possible)."""

    text: str
    phenomenon: str
    sure: list[SrcWord] = field(default_factory=list)
    possible: list[SrcWord] = field(default_factory=list)


@dataclass
class Phrase:
    """A stretch of sentence in both languages, each in its own order."""

    src: list[SrcWord] = field(default_factory=list)
    tgt: list[TgtWord] = field(default_factory=list)

    def __add__(self, other: "Phrase") -> "Phrase":
        return Phrase(self.src + other.src, self.tgt + other.tgt)


@dataclass
class NounPhrase(Phrase):
    """A noun phrase: what its verb and its relative pronoun must know of it."""

    column: int = 0  # 0, 1, 2: singular m, f, n; 3: plural
    head: SrcWord | None = None
    has_relative: bool = False

    @property
    def is_plural(self) -> bool:
        return self.column == 3


def word_pair(src: str, tgt: str) -> Phrase:
    """One source word and the target word that translates it."""
    source = SrcWord(src)
    return Phrase([source], [TgtWord(tgt, "word", [source])])


def comma(*, in_source: bool, because_of: SrcWord | None = None) -> Phrase:
    """A comma of both languages or, not in the source, one that German sets, perhaps because of a conjunction."""
    source = [SrcWord(",")] if in_source else []
    possible = [because_of] if because_of and not in_source else []
    return Phrase(source, [TgtWord(",", "word" if in_source else "comma", source, possible)])


class VerbPhrase(NamedTuple):
    """English verb words in their order, the German finite verb, and what stands at the end of its clause."""

    src: list[SrcWord]
    finite: TgtWord
    last: Sequence[TgtWord] = ()


def finite_verb(text: str, phenomenon: str, source: SrcWord, subject: NounPhrase) -> TgtWord:
    """A finite verb depends on its subject; across a relative clause that is the phenomenon "agreement"."""
    possible = [subject.head] if subject.head else []
    return TgtWord(text, "agreement" if subject.has_relative else phenomenon, [source], possible)


def arrange(subject: Phrase, verb: VerbPhrase, adverb: Phrase, objects: Sequence[Phrase], order: Order) -> Phrase:
    """Puts a clause together: German has the adverb before the objects, English after them."""
    src = [*subject.src, *verb.src]
    for phrase in [*objects, adverb]:
        src += phrase.src
    middle = [word for phrase in [adverb, *objects] for word in phrase.tgt]
    tgt = {
        "subject_first": [*subject.tgt, verb.finite, *middle, *verb.last],
        "inverted": [verb.finite, *subject.tgt, *middle, *verb.last],
        "verb_final": [*subject.tgt, *middle, *verb.last, verb.finite],
    }[order]
    return Phrase(src, tgt)


def as_pair(phrase: Phrase) -> SentencePair:
    """Makes two commas one, drops a comma before the full stop, and turns word objects into positions."""
    words: list[TgtWord] = []
    for word in phrase.tgt:
        if words and words[-1].text == "," and word.text in ",.":
            dropped = words.pop()
            if word.text == ",":
                word.sure += dropped.sure
                word.possible += dropped.possible
        words.append(word)
    position = {id(word): index for index, word in enumerate(phrase.src)}
    links = []
    for index, word in enumerate(words):
        links += [Link(position[id(s)], index, True, word.phenomenon) for s in word.sure]
        links += [Link(position[id(s)], index, False, word.phenomenon) for s in word.possible if s not in word.sure]
    return SentencePair(" ".join(w.text for w in phrase.src), " ".join(w.text for w in words), tuple(links))
