"""A small English→German grammar that writes both sides of a sentence and knows which word translates which.

It is made so that a model needs what the lesson is about: words move (the German verb goes to the end of a subordinate
clause), split (*calls* → *ruft … an*), merge (*kitchen door* → *Küchentür*), and change with words far away (*können*
for *can* when the subject before the relative clause is plural). Sentences are long because they have many clauses, not
because they have other words. Every source has exactly one translation in this grammar.

Text is tokenised and truecased: words and punctuation stand between spaces, and only nouns have capitals.

Worked example (word positions from 0; S sure, P possible links, written source-target):

    src   because(0) the(1) man(2) calls(3) the(4) cat(5) ,(6) the(7) dogs(8) sleep(9) .(10)
    tgt   weil(0) der(1) Mann(2) die(3) Katze(4) anruft(5) ,(6) schlafen(7) die(8) Hunde(9) .(10)
    S     0-0 1-1 2-2 4-3 5-4 3-5 6-6 9-7 7-8 8-9 10-10    3-5 is "verb_final"
    P     2-1 5-3 8-8 2-5 8-7                              a noun decides its article and its verb
"""

import random
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.data.corpus import Link, SentencePair
from pipeline.data.lexicon import (
    ADJECTIVES,
    ADVERBS,
    CLAUSE_VERBS,
    COMPOUND_FIRST,
    COMPOUND_HEADS,
    CONJUNCTIONS,
    MODALS,
    NOUNS,
    PREPOSITIONS,
    VERBS,
    Adjective,
    Noun,
    Verb,
)

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

Case = Literal["nom", "acc", "dat"]
Order = Literal["subject_first", "inverted", "verb_final"]

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


class _Determiner(NamedTuple):
    """English word and, for German, stem + endings for itself, and the endings of an adjective after it."""

    word: str
    stem: str
    endings: dict[str, tuple[str, ...]]
    adjective_endings: dict[str, tuple[str, ...]]
    number: str  # "singular", "plural" or "both"


_INVARIABLE = dict.fromkeys(("nom", "acc", "dat"), ("", "", "", ""))
_DETERMINERS = [
    _Determiner("the", "", _DEFINITE, _WEAK_ENDING, "both"),
    _Determiner("this", "dies", _STRONG_ENDING, _WEAK_ENDING, "singular"),
    _Determiner("these", "dies", _STRONG_ENDING, _WEAK_ENDING, "plural"),
    _Determiner("every", "jed", _STRONG_ENDING, _WEAK_ENDING, "singular"),
    _Determiner("a", "ein", _EIN_ENDING, _MIXED_ENDING, "singular"),
    _Determiner("my", "mein", _EIN_ENDING, _MIXED_ENDING, "both"),
    _Determiner("no", "kein", _EIN_ENDING, _MIXED_ENDING, "both"),
    _Determiner("two", "zwei", _INVARIABLE, _STRONG_ENDING, "plural"),
    _Determiner("some", "einig", _STRONG_ENDING, _STRONG_ENDING, "plural"),
]
_DETERMINER_WEIGHTS = [6, 1, 1, 1, 4, 1.5, 1, 1, 1]


@dataclass(eq=False)
class _Src:
    """A word of the source; two words are the same only if they are the same object."""

    text: str


@dataclass(eq=False)
class _Tgt:
    """A word of the target with the source words it translates (sure) or depends on (possible)."""

    text: str
    phenomenon: str
    sure: list[_Src] = field(default_factory=list)
    possible: list[_Src] = field(default_factory=list)


@dataclass
class _Phrase:
    """A stretch of sentence in both languages, each in its own order."""

    src: list[_Src] = field(default_factory=list)
    tgt: list[_Tgt] = field(default_factory=list)

    def __add__(self, other: "_Phrase") -> "_Phrase":
        return _Phrase(self.src + other.src, self.tgt + other.tgt)


@dataclass
class _NounPhrase(_Phrase):
    """A noun phrase: what its verb and its relative pronoun must know of it."""

    column: int = 0  # 0, 1, 2: singular m, f, n; 3: plural
    head: _Src | None = None
    has_relative: bool = False

    @property
    def is_plural(self) -> bool:
        return self.column == 3


def _word(src: str, tgt: str, phenomenon: str = "word") -> _Phrase:
    source = _Src(src)
    return _Phrase([source], [_Tgt(tgt, phenomenon, [source])])


def _comma(*, in_source: bool, because_of: _Src | None = None) -> _Phrase:
    source = [_Src(",")] if in_source else []
    possible = [because_of] if because_of and not in_source else []
    return _Phrase(source, [_Tgt(",", "word" if in_source else "comma", source, possible)])


def _dative_plural(noun: str) -> str:
    return noun if noun[-1] in "ns" else noun + "n"


_THE = _DETERMINERS[0]
# "every man and every woman" takes a singular verb; two of these with "and" always take a plural.
_JOINABLE = [d for d in _DETERMINERS if d.word not in ("every", "no")]
_JOINABLE_WEIGHTS = [w for d, w in zip(_DETERMINERS, _DETERMINER_WEIGHTS, strict=True) if d in _JOINABLE]
_NOUNS_OF = {
    "person": [n for n in NOUNS if n.kind == "person"],
    "living": [n for n in NOUNS if n.is_living],
    "thing": [n for n in NOUNS if n.kind == "thing"],
    "any": [n for n in NOUNS if n.is_living or n.kind == "thing"],
    "place": [n for n in NOUNS if n.kind == "place"],
    "vehicle": [n for n in NOUNS if n.kind == "vehicle"],
}
_ADJECTIVES_OF = {
    "person": [a for a in ADJECTIVES if a.kind in ("any", "living")],
    "animal": [a for a in ADJECTIVES if a.kind in ("any", "living", "animal")],
    "thing": [a for a in ADJECTIVES if a.kind in ("any", "thing", "animal")],
    "place": [a for a in ADJECTIVES if a.kind == "any"],
}
# Relative clauses by the noun they describe: it is the subject ("who sleeps") or the object ("that the cat sees").
_VERBS_WITH_SUBJECT = {"person": VERBS, "living": [v for v in VERBS if v.subject == "living"]}
_VERBS_WITH_OBJECT = {
    "person": [v for v in VERBS if v.object in ("any", "living")],
    "living": [v for v in VERBS if v.object in ("any", "living")],
    "thing": [v for v in VERBS if v.object in ("any", "thing")],
    "any": [v for v in VERBS if v.object == "any"],
}


class ToyGrammar:
    """Draws sentence pairs at random; the same seed gives the same pairs."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def sentence(self, num_groups: int, richness: float) -> SentencePair:
        """One sentence pair.

        Args:
            num_groups: Main clauses, each perhaps with a subordinate clause, joined by "and" or "but".
            richness: In [0, 1]: how likely each optional part is.
        """
        phrase = self._group(richness)
        for _ in range(num_groups - 1):
            conjunction = self.rng.choice([("and", "und"), ("but", "aber")])
            phrase += _comma(in_source=True) + _word(*conjunction) + self._group(richness)
        phrase += _word(".", ".")
        return _as_pair(phrase)

    def _maybe(self, probability: float) -> bool:
        return self.rng.random() < probability

    # A group is a main clause with at most one subordinate clause: fronted, trailing, or as the object of "says".

    def _group(self, richness: float) -> _Phrase:
        if not self._maybe(0.7 * richness):
            return self._main_clause(richness)
        kind = self.rng.choice(["fronted", "trailing", "that"])
        if kind == "fronted":
            clause = self._subordinate(richness)
            return clause + _comma(in_source=True) + self._clause("inverted", richness)
        if kind == "trailing":
            main, clause = self._clause("subject_first", richness), self._subordinate(richness)
            return main + _comma(in_source=False, because_of=clause.src[0]) + clause
        return self._that_clause(richness)

    def _main_clause(self, richness: float) -> _Phrase:
        if not self._maybe(0.2 * richness):
            return self._clause("subject_first", richness)
        fronted = _word(*self.rng.choice(list(ADVERBS.items())))
        return fronted + self._clause("inverted", richness, with_adverb=False)

    def _subordinate(self, richness: float) -> _Phrase:
        conjunction = _word(*self.rng.choice(list(CONJUNCTIONS.items())))
        return conjunction + self._clause("verb_final", richness)

    def _that_clause(self, richness: float) -> _Phrase:
        subject = self._noun_phrase("person", "nom", richness)
        verb = self._simple_verb(self.rng.choice(CLAUSE_VERBS), subject, "subject_first")
        that = _word("that", "dass")
        comma = _comma(in_source=False, because_of=that.src[0])
        return subject + verb.finite + comma + that + self._clause("verb_final", richness)

    def _clause(self, order: Order, richness: float, with_adverb: bool = True) -> _Phrase:
        """Subject, verb, and what goes with it; English is always subject–verb–rest, German as `order` says."""
        if self._maybe(0.15 * richness):
            subject = self._noun_phrase("living", "nom", richness)
            return _arrange(subject, self._copula(subject, order), [self._adverb(with_adverb * richness)], order)
        verb = self.rng.choice(VERBS)
        subject = self._noun_phrase(verb.subject, "nom", richness)
        rest = []
        ends_in_relative = False
        if verb.object != "-":
            noun_phrase = self._noun_phrase(verb.object, verb.case, richness)
            ends_in_relative = noun_phrase.has_relative
            rest.append(noun_phrase)
        # After a relative clause a further phrase could belong to it: the German order would be a guess.
        adverb = _Phrase()
        if not ends_in_relative:
            if self._maybe(0.35 * richness):
                rest.append(self._prepositional_phrase(richness))
            adverb = self._adverb(with_adverb * richness)
        verb_phrase = self._modal_verb if self._maybe(0.3 * (0.3 + richness)) else self._simple_verb
        return _arrange(subject, verb_phrase(verb, subject, order), [adverb, *rest], order)

    def _adverb(self, richness: float) -> _Phrase:
        return _word(*self.rng.choice(list(ADVERBS.items()))) if self._maybe(0.3 * richness) else _Phrase()

    # Noun phrases

    def _noun_phrase(self, kind: str, case: Case, richness: float, with_relative: bool = True) -> _NounPhrase:
        if self._maybe(0.12 * richness):
            first, second = (
                self._plain_noun_phrase(kind, case, richness, self.rng.choices(_JOINABLE, _JOINABLE_WEIGHTS)[0])
                for _ in range(2)
            )
            both = first + _word("and", "und") + second
            return _NounPhrase(both.src, both.tgt, column=3, head=second.head)
        phrase = self._plain_noun_phrase(kind, case, richness)
        if with_relative and self._maybe(0.22 * richness):
            phrase = self._with_relative_clause(phrase, kind, richness)
        return phrase

    def _plain_noun_phrase(
        self, kind: str, case: Case, richness: float, determiner: _Determiner | None = None
    ) -> _NounPhrase:
        determiner = determiner or self.rng.choices(_DETERMINERS, _DETERMINER_WEIGHTS)[0]
        is_plural = determiner.number == "plural" or (determiner.number == "both" and self._maybe(0.4))
        noun = self.rng.choice(_NOUNS_OF[kind])
        column = 3 if is_plural else ("m", "f", "n").index(noun.gender)
        head = _Src(noun.plural if is_plural else noun.singular)
        noun_phrase = self._noun(noun, head, case, is_plural)

        adjectives = [_word_adjective(a, determiner, case, column, head) for a in self._adjectives(noun, richness)]
        phrase = sum(adjectives, _Phrase()) + noun_phrase
        english = "an" if determiner.word == "a" and phrase.src[0].text[0] in "aeiou" else determiner.word
        source = _Src(english)
        article = _Tgt(determiner.stem + determiner.endings[case][column], "article", [source], [head])
        return _NounPhrase([source, *phrase.src], [article, *phrase.tgt], column, head)

    def _noun(self, noun: Noun, head: _Src, case: Case, is_plural: bool) -> _Phrase:
        """The noun itself, or a compound that ends in it."""
        target = noun.tgt_plural if is_plural else noun.tgt_singular
        if is_plural and case == "dat":
            target = _dative_plural(target)
        if noun.singular in COMPOUND_HEADS and self._maybe(0.5):
            first = self.rng.choice(list(COMPOUND_FIRST))
            source = _Src(first)
            compound = COMPOUND_FIRST[first] + target.lower()
            return _Phrase([source, head], [_Tgt(compound, "compound", [source, head])])
        return _Phrase([head], [_Tgt(target, "word", [head])])

    def _adjectives(self, noun: Noun, richness: float) -> list[Adjective]:
        if not self._maybe(0.15 + 0.35 * richness):
            return []
        return self.rng.sample(_ADJECTIVES_OF[noun.kind], 1 + self._maybe(0.2 * richness))

    def _with_relative_clause(self, noun_phrase: _NounPhrase, kind: str, richness: float) -> _NounPhrase:
        """Adds "who sees the cat" (the noun is the subject) or "that the cat sees" (it is the object)."""
        is_person = kind == "person"
        if kind in ("person", "living") and self._maybe(0.5):
            verb = self.rng.choice(_VERBS_WITH_SUBJECT[kind])
            pronoun = _Src("who" if is_person else "that")
            subject = _NounPhrase(column=noun_phrase.column, head=noun_phrase.head)
            case = "nom"
            rest = [self._plain_noun_phrase(verb.object, verb.case, richness / 2)] if verb.object != "-" else []
        else:
            verb = self.rng.choice(_VERBS_WITH_OBJECT[kind])
            pronoun = _Src("that")
            subject = self._plain_noun_phrase(verb.subject, "nom", richness / 2)
            case, rest = verb.case, []
        adverb = self._adverb(richness)
        clause = _arrange(subject, self._simple_verb(verb, subject, "verb_final"), [adverb, *rest], "verb_final")
        german = "denen" if case == "dat" and noun_phrase.is_plural else _DEFINITE[case][noun_phrase.column]
        opening = [
            _Tgt(",", "comma", possible=[pronoun]),
            _Tgt(german, "relative", [pronoun], [noun_phrase.head]),
        ]
        closing = _Tgt(",", "comma")
        return _NounPhrase(
            [*noun_phrase.src, pronoun, *clause.src],
            [*noun_phrase.tgt, *opening, *clause.tgt, closing],
            noun_phrase.column,
            noun_phrase.head,
            has_relative=True,
        )

    def _prepositional_phrase(self, richness: float) -> _Phrase:
        english, (german, case, kind) = self.rng.choice(list(PREPOSITIONS.items()))
        source = _Src(english)
        if kind == "vehicle":  # by bus → mit dem Bus: German adds the article
            noun = self.rng.choice(_NOUNS_OF["vehicle"])
            head = _Src(noun.singular)
            article = _Tgt(_DEFINITE[case]["mfn".index(noun.gender)], "article", possible=[head])
            return _Phrase(
                [source, head], [_Tgt(german, "word", [source]), article, _Tgt(noun.tgt_singular, "word", [head])]
            )
        # "without no friend" would be two negations: only "the" there.
        phrase = self._plain_noun_phrase(kind, case, richness / 2, _THE if english == "without" else None)
        article = phrase.tgt[0]
        if german == "in" and article.text == "dem":  # in dem Garten → im Garten
            contracted = _Tgt("im", "article", [source, *article.sure], article.possible)
            return _Phrase([source, *phrase.src], [contracted, *phrase.tgt[1:]])
        return _Phrase([source, *phrase.src], [_Tgt(german, "word", [source]), *phrase.tgt])

    # Verbs

    def _simple_verb(self, verb: Verb, subject: _NounPhrase, order: Order) -> "_VerbPhrase":
        source = _Src(verb.base if subject.is_plural else verb.third)
        finite = verb.tgt_infinitive if subject.is_plural else verb.tgt_third
        if order == "verb_final":
            return _verb_phrase([source], _finite(verb.particle + finite, "verb_final", source, subject))
        if not verb.particle:
            return _verb_phrase([source], _finite(finite, "word", source, subject))
        return _verb_phrase(
            [source], _finite(finite, "separable", source, subject), [_Tgt(verb.particle, "separable", [source])]
        )

    def _modal_verb(self, verb: Verb, subject: _NounPhrase, order: Order) -> "_VerbPhrase":
        modal = self.rng.choice(list(MODALS))
        first, second = _Src(modal), _Src(verb.base)
        phenomenon = "verb_final" if order == "verb_final" else "word"
        finite = _finite(MODALS[modal][subject.is_plural], phenomenon, first, subject)
        return _verb_phrase([first, second], finite, [_Tgt(verb.particle + verb.tgt_infinitive, "modal", [second])])

    def _copula(self, subject: _NounPhrase, order: Order) -> "_VerbPhrase":
        adjective = self.rng.choice(_ADJECTIVES_OF["person"])
        first, second = _Src("are" if subject.is_plural else "is"), _Src(adjective.word)
        phenomenon = "verb_final" if order == "verb_final" else "word"
        finite = _finite("sind" if subject.is_plural else "ist", phenomenon, first, subject)
        return _verb_phrase([first, second], finite, [_Tgt(adjective.predicative, "word", [second])])


class _VerbPhrase(NamedTuple):
    """The English verb words (`finite.src`), the German finite verb (`finite.tgt`) and what closes the clause."""

    finite: _Phrase
    last: list[_Tgt]


def _verb_phrase(src: list[_Src], finite: _Tgt, last: list[_Tgt] | None = None) -> _VerbPhrase:
    return _VerbPhrase(_Phrase(src, [finite]), last or [])


def _finite(text: str, phenomenon: str, source: _Src, subject: _NounPhrase) -> _Tgt:
    """A finite verb depends on its subject; across a relative clause that is the phenomenon "agreement"."""
    possible = [subject.head] if subject.head else []
    return _Tgt(text, "agreement" if subject.has_relative else phenomenon, [source], possible)


def _word_adjective(adjective: Adjective, determiner: _Determiner, case: Case, column: int, head: _Src) -> _Phrase:
    source = _Src(adjective.word)
    text = adjective.stem + determiner.adjective_endings[case][column]
    return _Phrase([source], [_Tgt(text, "adjective", [source], [head])])


def _arrange(subject: _Phrase, verb: _VerbPhrase, rest: list[_Phrase], order: Order) -> _Phrase:
    """Puts a clause together. `rest` is the adverb, then the objects: German has the adverb first, English last."""
    adverb, objects = rest[0], rest[1:]
    src = [*subject.src, *verb.finite.src]
    for phrase in [*objects, adverb]:
        src += phrase.src
    middle = [word for phrase in rest for word in phrase.tgt]
    tgt = {
        "subject_first": [*subject.tgt, *verb.finite.tgt, *middle, *verb.last],
        "inverted": [*verb.finite.tgt, *subject.tgt, *middle, *verb.last],
        "verb_final": [*subject.tgt, *middle, *verb.last, *verb.finite.tgt],
    }[order]
    return _Phrase(src, tgt)


def _as_pair(phrase: _Phrase) -> SentencePair:
    """Drops the second of two commas and a comma before the full stop, and turns word objects into positions."""
    words: list[_Tgt] = []
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
