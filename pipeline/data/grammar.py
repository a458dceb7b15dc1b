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

from pipeline.data.corpus import SentencePair
from pipeline.data.inflection import (
    DETERMINER_WEIGHTS,
    DETERMINERS,
    Case,
    Determiner,
    dative_plural,
    definite_article,
    relative_pronoun,
)
from pipeline.data.lexicon import (
    ADJECTIVES,
    ADVERBS,
    CLAUSE_VERBS,
    COMPOUND_FIRST,
    COMPOUND_HEADS,
    CONJUNCTIONS,
    GENDERS,
    MODALS,
    NOUNS,
    PREPOSITIONS,
    VERBS,
    Adjective,
    Noun,
    Verb,
)
from pipeline.data.phrases import (
    NounPhrase,
    Order,
    Phrase,
    SrcWord,
    TgtWord,
    VerbPhrase,
    arrange,
    as_pair,
    comma,
    finite_verb,
    word_pair,
)

_THE = DETERMINERS[0]
# "every man and every woman" takes a singular verb; two of these with "and" always take a plural.
_JOINABLE = [d for d in DETERMINERS if d.word not in ("every", "no")]
_JOINABLE_WEIGHTS = [w for d, w in zip(DETERMINERS, DETERMINER_WEIGHTS, strict=True) if d in _JOINABLE]
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
            phrase += comma(in_source=True) + word_pair(*conjunction) + self._group(richness)
        phrase += word_pair(".", ".")
        return as_pair(phrase)

    def _maybe(self, probability: float) -> bool:
        return self.rng.random() < probability

    # A group is a main clause with at most one subordinate clause: fronted, trailing, or as the object of "says".

    def _group(self, richness: float) -> Phrase:
        if not self._maybe(0.7 * richness):
            return self._main_clause(richness)
        kind = self.rng.choice(["fronted", "trailing", "that"])
        if kind == "fronted":
            clause = self._subordinate(richness)
            return clause + comma(in_source=True) + self._clause("inverted", richness)
        if kind == "trailing":
            main, clause = self._clause("subject_first", richness), self._subordinate(richness)
            return main + comma(in_source=False, because_of=clause.src[0]) + clause
        return self._that_clause(richness)

    def _main_clause(self, richness: float) -> Phrase:
        if not self._maybe(0.2 * richness):
            return self._clause("subject_first", richness)
        fronted = word_pair(*self.rng.choice(list(ADVERBS.items())))
        return fronted + self._clause("inverted", richness, with_adverb=False)

    def _subordinate(self, richness: float) -> Phrase:
        conjunction = word_pair(*self.rng.choice(list(CONJUNCTIONS.items())))
        return conjunction + self._clause("verb_final", richness)

    def _that_clause(self, richness: float) -> Phrase:
        subject = self._noun_phrase("person", "nom", richness)
        verb = self._simple_verb(self.rng.choice(CLAUSE_VERBS), subject, "subject_first")
        that = word_pair("that", "dass")
        opening = comma(in_source=False, because_of=that.src[0])
        return subject + Phrase(verb.src, [verb.finite]) + opening + that + self._clause("verb_final", richness)

    def _clause(self, order: Order, richness: float, with_adverb: bool = True) -> Phrase:
        """Subject, verb, and what goes with it; English is always subject–verb–rest, German as `order` says."""
        if self._maybe(0.15 * richness):
            subject = self._noun_phrase("living", "nom", richness)
            verb_phrase = self._copula(subject, order)
            return arrange(subject, verb_phrase, self._adverb(with_adverb * richness), [], order)
        verb = self.rng.choice(VERBS)
        subject = self._noun_phrase(verb.subject, "nom", richness)
        objects = []
        ends_in_relative = False
        if verb.object != "-":
            noun_phrase = self._noun_phrase(verb.object, verb.case, richness)
            ends_in_relative = noun_phrase.has_relative
            objects.append(noun_phrase)
        # After a relative clause a further phrase could belong to it: the German order would be a guess.
        adverb = Phrase()
        if not ends_in_relative:
            if self._maybe(0.35 * richness):
                objects.append(self._prepositional_phrase(richness))
            adverb = self._adverb(with_adverb * richness)
        make_verb_phrase = self._modal_verb if self._maybe(0.3 * (0.3 + richness)) else self._simple_verb
        return arrange(subject, make_verb_phrase(verb, subject, order), adverb, objects, order)

    def _adverb(self, richness: float) -> Phrase:
        return word_pair(*self.rng.choice(list(ADVERBS.items()))) if self._maybe(0.3 * richness) else Phrase()

    # Noun phrases

    def _noun_phrase(self, kind: str, case: Case, richness: float) -> NounPhrase:
        if self._maybe(0.12 * richness):
            first, second = (
                self._plain_noun_phrase(kind, case, richness, self.rng.choices(_JOINABLE, _JOINABLE_WEIGHTS)[0])
                for _ in range(2)
            )
            both = first + word_pair("and", "und") + second
            return NounPhrase(both.src, both.tgt, column=3, head=second.head)
        phrase = self._plain_noun_phrase(kind, case, richness)
        if self._maybe(0.22 * richness):
            phrase = self._with_relative_clause(phrase, kind, richness)
        return phrase

    def _plain_noun_phrase(
        self, kind: str, case: Case, richness: float, determiner: Determiner | None = None
    ) -> NounPhrase:
        determiner = determiner or self.rng.choices(DETERMINERS, DETERMINER_WEIGHTS)[0]
        is_plural = determiner.number == "plural" or (determiner.number == "both" and self._maybe(0.4))
        noun = self.rng.choice(_NOUNS_OF[kind])
        column = 3 if is_plural else GENDERS.index(noun.gender)
        head = SrcWord(noun.plural if is_plural else noun.singular)
        noun_phrase = self._noun(noun, head, case, is_plural)

        adjectives = [_word_adjective(a, determiner, case, column, head) for a in self._adjectives(noun, richness)]
        phrase = sum(adjectives, Phrase()) + noun_phrase
        english = "an" if determiner.word == "a" and phrase.src[0].text[0] in "aeiou" else determiner.word
        source = SrcWord(english)
        article = TgtWord(determiner.stem + determiner.endings[case][column], "article", [source], [head])
        return NounPhrase([source, *phrase.src], [article, *phrase.tgt], column, head)

    def _noun(self, noun: Noun, head: SrcWord, case: Case, is_plural: bool) -> Phrase:
        """The noun itself, or a compound that ends in it."""
        target = noun.tgt_plural if is_plural else noun.tgt_singular
        if is_plural and case == "dat":
            target = dative_plural(target)
        if noun.singular in COMPOUND_HEADS and self._maybe(0.5):
            first = self.rng.choice(list(COMPOUND_FIRST))
            source = SrcWord(first)
            compound = COMPOUND_FIRST[first] + target.lower()
            return Phrase([source, head], [TgtWord(compound, "compound", [source, head])])
        return Phrase([head], [TgtWord(target, "word", [head])])

    def _adjectives(self, noun: Noun, richness: float) -> list[Adjective]:
        if not self._maybe(0.15 + 0.35 * richness):
            return []
        return self.rng.sample(_ADJECTIVES_OF[noun.kind], 1 + self._maybe(0.2 * richness))

    def _with_relative_clause(self, noun_phrase: NounPhrase, kind: str, richness: float) -> NounPhrase:
        """Adds "who sees the cat" (the noun is the subject) or "that the cat sees" (it is the object)."""
        is_person = kind == "person"
        if kind in ("person", "living") and self._maybe(0.5):
            verb = self.rng.choice(_VERBS_WITH_SUBJECT[kind])
            pronoun = SrcWord("who" if is_person else "that")
            subject = NounPhrase(column=noun_phrase.column, head=noun_phrase.head)
            case = "nom"
            objects = [self._plain_noun_phrase(verb.object, verb.case, richness / 2)] if verb.object != "-" else []
        else:
            verb = self.rng.choice(_VERBS_WITH_OBJECT[kind])
            pronoun = SrcWord("that")
            subject = self._plain_noun_phrase(verb.subject, "nom", richness / 2)
            case, objects = verb.case, []
        adverb = self._adverb(richness)
        clause = arrange(subject, self._simple_verb(verb, subject, "verb_final"), adverb, objects, "verb_final")
        german = relative_pronoun(case, noun_phrase.column)
        opening = [
            TgtWord(",", "comma", possible=[pronoun]),
            TgtWord(german, "relative", [pronoun], [noun_phrase.head]),
        ]
        closing = TgtWord(",", "comma")
        return NounPhrase(
            [*noun_phrase.src, pronoun, *clause.src],
            [*noun_phrase.tgt, *opening, *clause.tgt, closing],
            noun_phrase.column,
            noun_phrase.head,
            has_relative=True,
        )

    def _prepositional_phrase(self, richness: float) -> Phrase:
        english, (german, case, kind) = self.rng.choice(list(PREPOSITIONS.items()))
        source = SrcWord(english)
        if kind == "vehicle":  # by bus → mit dem Bus: German adds the article
            noun = self.rng.choice(_NOUNS_OF["vehicle"])
            head = SrcWord(noun.singular)
            article = TgtWord(definite_article(case, GENDERS.index(noun.gender)), "article", possible=[head])
            return Phrase(
                [source, head], [TgtWord(german, "word", [source]), article, TgtWord(noun.tgt_singular, "word", [head])]
            )
        # "without no friend" would be two negations: only "the" there.
        phrase = self._plain_noun_phrase(kind, case, richness / 2, _THE if english == "without" else None)
        article = phrase.tgt[0]
        if german == "in" and article.text == "dem":  # in dem Garten → im Garten
            contracted = TgtWord("im", "article", [source, *article.sure], article.possible)
            return Phrase([source, *phrase.src], [contracted, *phrase.tgt[1:]])
        return Phrase([source, *phrase.src], [TgtWord(german, "word", [source]), *phrase.tgt])

    # Verbs

    def _simple_verb(self, verb: Verb, subject: NounPhrase, order: Order) -> VerbPhrase:
        source = SrcWord(verb.base if subject.is_plural else verb.third)
        finite = verb.tgt_infinitive if subject.is_plural else verb.tgt_third
        if order == "verb_final":
            return VerbPhrase([source], finite_verb(verb.particle + finite, "verb_final", source, subject))
        if not verb.particle:
            return VerbPhrase([source], finite_verb(finite, "word", source, subject))
        return VerbPhrase(
            [source], finite_verb(finite, "separable", source, subject), [TgtWord(verb.particle, "separable", [source])]
        )

    def _modal_verb(self, verb: Verb, subject: NounPhrase, order: Order) -> VerbPhrase:
        modal = self.rng.choice(list(MODALS))
        first, second = SrcWord(modal), SrcWord(verb.base)
        phenomenon = "verb_final" if order == "verb_final" else "word"
        finite = finite_verb(MODALS[modal][subject.is_plural], phenomenon, first, subject)
        return VerbPhrase([first, second], finite, [TgtWord(verb.particle + verb.tgt_infinitive, "modal", [second])])

    def _copula(self, subject: NounPhrase, order: Order) -> VerbPhrase:
        adjective = self.rng.choice(_ADJECTIVES_OF["person"])
        first, second = SrcWord("are" if subject.is_plural else "is"), SrcWord(adjective.word)
        phenomenon = "verb_final" if order == "verb_final" else "word"
        finite = finite_verb("sind" if subject.is_plural else "ist", phenomenon, first, subject)
        return VerbPhrase([first, second], finite, [TgtWord(adjective.predicative, "word", [second])])


def _word_adjective(adjective: Adjective, determiner: Determiner, case: Case, column: int, head: SrcWord) -> Phrase:
    source = SrcWord(adjective.word)
    text = adjective.stem + determiner.adjective_endings[case][column]
    return Phrase([source], [TgtWord(text, "adjective", [source], [head])])
