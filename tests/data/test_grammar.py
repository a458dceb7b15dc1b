"""The grammar against hand-written translations, hand-made links, and a second, independent set of German rules."""

import functools
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.lexicon import COMPOUND_FIRST, NOUNS, VERBS, Noun, Verb
from pipeline.data.phrases import PHENOMENA

# Which translation the grammar gives; the German is written by hand.
TRANSLATIONS = [
    # the definite article, by gender and case
    ("the man sees the dog .", "der Mann sieht den Hund ."),
    ("the woman sees the cat .", "die Frau sieht die Katze ."),
    ("the child sees the horse .", "das Kind sieht das Pferd ."),
    ("the men see the dogs .", "die Männer sehen die Hunde ."),
    ("the man helps the dog .", "der Mann hilft dem Hund ."),
    ("the woman thanks the cat .", "die Frau dankt der Katze ."),
    ("the child follows the horse .", "das Kind folgt dem Pferd ."),
    # the indefinite article and its kin
    ("a man sees a dog .", "ein Mann sieht einen Hund ."),
    ("a child thanks an aunt .", "ein Kind dankt einer Tante ."),
    ("no cat hears my brother .", "keine Katze hört meinen Bruder ."),
    ("every doctor visits this king .", "jeder Arzt besucht diesen König ."),
    ("these girls love every horse .", "diese Mädchen lieben jedes Pferd ."),
    ("this baby trusts no dog .", "dieses Baby vertraut keinem Hund ."),
    # endings of adjectives after der, after ein, and after no article
    ("the old man sees the old dog .", "der alte Mann sieht den alten Hund ."),
    ("an old man sees an old dog .", "ein alter Mann sieht einen alten Hund ."),
    ("a small child sees a small horse .", "ein kleines Kind sieht ein kleines Pferd ."),
    ("a young woman helps a young cat .", "eine junge Frau hilft einer jungen Katze ."),
    ("my tired dogs sleep .", "meine müden Hunde schlafen ."),
    ("two tired dogs sleep .", "zwei müde Hunde schlafen ."),
    ("some tired dogs obey two old men .", "einige müde Hunde gehorchen zwei alten Männern ."),
    ("no loud babies sleep .", "keine lauten Babys schlafen ."),
    # dative plural: -n, but not after -n and -s
    ("the man helps the dogs .", "der Mann hilft den Hunden ."),
    ("the man helps the foxes .", "der Mann hilft den Füchsen ."),
    ("the man helps the teachers .", "der Mann hilft den Lehrern ."),
    ("the man helps the girls .", "der Mann hilft den Mädchen ."),
    ("the man helps the babies .", "der Mann hilft den Babys ."),
    # prepositions: contraction, inserted article, accusative
    ("the dog sleeps in the garden .", "der Hund schläft im Garten ."),
    ("the dog sleeps in the house .", "der Hund schläft im Haus ."),
    ("the dog sleeps in the kitchen .", "der Hund schläft in der Küche ."),
    ("the dog sleeps in the gardens .", "der Hund schläft in den Gärten ."),
    ("the dog sleeps in a garden .", "der Hund schläft in einem Garten ."),
    ("the dog sleeps under the table .", "der Hund schläft unter dem Tisch ."),
    ("the man arrives by bus .", "der Mann kommt mit dem Bus an ."),
    ("the woman sings for the son .", "die Frau singt für den Sohn ."),
    ("the woman sings without the son .", "die Frau singt ohne den Sohn ."),
    # separable verbs: split, joined at the end of a clause, joined after a modal
    ("the man calls the cat .", "der Mann ruft die Katze an ."),
    ("the men call the cat .", "die Männer rufen die Katze an ."),
    ("the man can call the cat .", "der Mann kann die Katze anrufen ."),
    ("the woman says that the man calls the cat .", "die Frau sagt , dass der Mann die Katze anruft ."),
    ("the dogs return .", "die Hunde kommen zurück ."),
    # a modal shows its number in German only
    ("the dog can sleep .", "der Hund kann schlafen ."),
    ("the dogs can sleep .", "die Hunde können schlafen ."),
    ("the dog sleeps because the cat must sing .", "der Hund schläft , weil die Katze singen muss ."),
    # compounds
    ("the man opens the kitchen door .", "der Mann macht die Küchentür auf ."),
    ("the man sees two old office keys .", "der Mann sieht zwei alte Büroschlüssel ."),
    ("the cat sleeps under the garden tables .", "die Katze schläft unter den Gartentischen ."),
    ("the cat sleeps under a school table .", "die Katze schläft unter einem Schultisch ."),
    # relative clauses: pronoun by gender, number, and its own case
    ("the man who sings laughs .", "der Mann , der singt , lacht ."),
    ("the men who sing laugh .", "die Männer , die singen , lachen ."),
    ("the dog that the cat sees sings .", "der Hund , den die Katze sieht , singt ."),
    ("the child that the cat sees sings .", "das Kind , das die Katze sieht , singt ."),
    ("the dog that the cat helps sings .", "der Hund , dem die Katze hilft , singt ."),
    ("the cat that the dog helps sings .", "die Katze , der der Hund hilft , singt ."),
    ("the cats that the dog helps sing .", "die Katzen , denen der Hund hilft , singen ."),
    # agreement across a relative clause that ends in the other number
    ("the dogs that the cat sees can sing .", "die Hunde , die die Katze sieht , können singen ."),
    ("the dog that the cats see can sing .", "der Hund , den die Katzen sehen , kann singen ."),
    # inversion
    ("today the man sees the dog .", "heute sieht der Mann den Hund ."),
    ("today the man calls the dog .", "heute ruft der Mann den Hund an ."),
    ("when the cat sings , the dog sleeps .", "wenn die Katze singt , schläft der Hund ."),
    ("when the cat sings , the dog can sleep .", "wenn die Katze singt , kann der Hund schlafen ."),
    # the adverb comes early in German
    ("the man sees the dog today .", "der Mann sieht heute den Hund ."),
    ("the dog sleeps in the garden today .", "der Hund schläft heute im Garten ."),
    # to be, and two subjects
    ("the dog is tired .", "der Hund ist müde ."),
    ("the dog and the cat are tired .", "der Hund und die Katze sind müde ."),
    ("the dog sleeps because the cat is tired .", "der Hund schläft , weil die Katze müde ist ."),
    # commas: one where two rules ask for one, none before the full stop
    ("the man hears the dog that sleeps .", "der Mann hört den Hund , der schläft ."),
    (
        "the man hears the dog that sleeps , and the cat sings .",
        "der Mann hört den Hund , der schläft , und die Katze singt .",
    ),
    (
        "the man hears the dog that sleeps because the cat sings .",
        "der Mann hört den Hund , der schläft , weil die Katze singt .",
    ),
    ("the man who sleeps says that the cat sings .", "der Mann , der schläft , sagt , dass die Katze singt ."),
    ("the dog sleeps , but the cats sing .", "der Hund schläft , aber die Katzen singen ."),
]


class _Guided(ToyGrammar):
    """The grammar with its dice replaced by a list of decisions, and only the words of one source to choose from."""

    def __init__(self, source: str) -> None:
        self.rng = self
        self.source = source
        self.decisions: list[int] = []
        self.num_options: list[int] = []

    def pairs(self) -> Iterator[SentencePair]:
        """Every way to say `source`: all lists of decisions, in order."""
        num_groups = 1 + self.source.count(" , and ") + self.source.count(" , but ")
        while True:
            self.needed = Counter("a" if word == "an" else word for word in self.source.split())
            self.at = 0
            try:
                pair = self.sentence(num_groups, richness=1.0)
                if pair.src == self.source:
                    yield pair
            except _DeadEndError:
                pass
            while self.decisions and self.decisions[-1] == self.num_options[-1] - 1:
                self.decisions.pop()
                self.num_options.pop()
            if not self.decisions:
                return
            self.decisions[-1] += 1

    def decide(self, num_options: int) -> int:
        if self.at == len(self.decisions):
            self.decisions.append(0)
            self.num_options.append(num_options)
        self.at += 1
        return self.decisions[self.at - 1]

    def _maybe(self, probability: float) -> bool:
        return probability > 0 and self.decide(2) == 1

    def _clause(self, *arguments, **options):
        return self.said(super()._clause(*arguments, **options))

    def _noun_phrase(self, *arguments):
        return self.said(super()._noun_phrase(*arguments))

    def _plain_noun_phrase(self, *arguments):
        return self.said(super()._plain_noun_phrase(*arguments))

    def said(self, phrase):
        """`phrase`, if the source has these words in this order: they would stay together to the end."""
        if f" {' '.join(word.text for word in phrase.src)} " not in f" {self.source} ":
            raise _DeadEndError
        return phrase

    def choice(self, options):
        if "fronted" in options:  # a kind of sentence, not a word
            return options[self.decide(3)]
        fitting = [option for option in options if any(self.needed[form] for form in forms_of(option))]
        if not fitting:
            raise _DeadEndError
        option = fitting[self.decide(len(fitting))]
        self.needed[next(form for form in forms_of(option) if self.needed[form])] -= 1
        return option

    def choices(self, options, weights):
        return [self.choice(options)]

    def sample(self, options, num):
        return [self.choice(options) for _ in range(num)]


class _DeadEndError(Exception):
    """The grammar wants a kind of word that the source does not have."""


def forms_of(option) -> tuple[str, ...]:
    """What an entry of a table can look like in English: `Noun("man", "men", …)` → ("man", "men")."""
    if isinstance(option, str):
        return (option,)
    return option[:2] if isinstance(option, Noun | Verb) else option[:1]


def drawn(source: str) -> SentencePair:
    """The pair with this source."""
    return next(_Guided(source).pairs())


@pytest.mark.parametrize(("source", "target"), TRANSLATIONS)
def test_the_translation_is_the_one_written_by_hand(source, target):
    """Whichever way the grammar comes to this source."""
    assert {pair.tgt for pair in _Guided(source).pairs()} == {target}


# Links by hand, "source-target" by word position. Possible links are in the second list.
LINKS = [
    (
        "because the man calls the cat , the dogs sleep .",
        "weil der Mann die Katze anruft , schlafen die Hunde .",
        "0-0 1-1 2-2 4-3 5-4 3-5 6-6 9-7 7-8 8-9 10-10",
        "2-1 5-3 8-8 2-5 8-7",
    ),
    # one source word, two target words; the adverb moves
    (
        "the men call a cat today .",
        "die Männer rufen heute eine Katze an .",
        "0-0 1-1 2-2 5-3 3-4 4-5 2-6 6-7",
        "1-0 1-2 4-4",
    ),
    # two source words, one target word: Küchentür, im
    (
        "the man opens the kitchen door .",
        "der Mann macht die Küchentür auf .",
        "0-0 1-1 2-2 3-3 4-4 5-4 2-5 6-6",
        "1-0 1-2 5-3",
    ),
    ("the dog sleeps in the garden .", "der Hund schläft im Garten .", "0-0 1-1 2-2 3-3 4-3 5-4 6-5", "1-0 1-2 5-3"),
    # an article that only German has depends on its noun
    ("the men wait by bus .", "die Männer warten mit dem Bus .", "0-0 1-1 2-2 3-3 4-5 5-6", "1-0 1-2 4-4"),
    # the modal's infinitive; the relative pronoun and both commas around the clause
    (
        "the dogs that a cat helps can sleep .",
        "die Hunde , denen eine Katze hilft , können schlafen .",
        "0-0 1-1 2-3 3-4 4-5 5-6 6-8 7-9 8-10",
        "1-0 2-2 1-3 4-4 4-6 1-8",
    ),
    # a comma that only German sets depends on the conjunction; the subject and its adjective
    (
        "the dog is tired because the old cat sleeps .",
        "der Hund ist müde , weil die alte Katze schläft .",
        "0-0 1-1 2-2 3-3 4-5 5-6 6-7 7-8 8-9 9-10",
        "1-0 1-2 4-4 7-6 7-7 7-9",
    ),
]


@pytest.mark.parametrize(("source", "target", "sure", "possible"), LINKS)
def test_the_links_are_the_ones_drawn_by_hand(source, target, sure, possible):
    pair = drawn(source)
    assert pair.tgt == target
    assert sorted(f"{link.src}-{link.tgt}" for link in pair.links if link.is_sure) == sorted(sure.split())
    assert sorted(f"{link.src}-{link.tgt}" for link in pair.links if not link.is_sure) == sorted(possible.split())


@pytest.mark.parametrize(
    ("source", "word", "phenomenon"),
    [
        ("the dog sleeps in the garden .", "im", "article"),
        ("the old dog sleeps .", "alte", "adjective"),
        ("the dog sleeps because the cat sings .", "singt", "verb_final"),
        ("the dog can sleep .", "schlafen", "modal"),
        ("the dogs return .", "zurück", "separable"),
        ("the man opens the kitchen door .", "Küchentür", "compound"),
        ("the dog that the cat sees sings .", "den", "relative"),
        ("the dogs that the cat sees can sing .", "können", "agreement"),
        ("the dog sleeps because the cat sings .", ",", "comma"),
        ("the dog sleeps , but the cats sing .", ",", "word"),
    ],
)
def test_a_link_names_the_rule_that_made_it(source, word, phenomenon):
    pair = drawn(source)
    position = pair.tgt.split().index(word)
    assert {link.phenomenon for link in pair.links if link.tgt == position} == {phenomenon}


# What must hold in every sentence, checked on sentences of all lengths.


@pytest.fixture(scope="module")
def sample() -> list[SentencePair]:
    toy, sizes = ToyGrammar(seed=5), random.Random(5)
    return [toy.sentence(sizes.randint(1, 5), sizes.uniform(0.2, 1.0)) for _ in range(1500)]


def test_every_link_joins_two_words_of_its_sentence(sample):
    for pair in sample:
        src_len, tgt_len = len(pair.src.split()), len(pair.tgt.split())
        assert all(0 <= link.src < src_len and 0 <= link.tgt < tgt_len for link in pair.links), pair
        assert {link.phenomenon for link in pair.links} <= set(PHENOMENA)


def test_no_link_is_drawn_twice(sample):
    for pair in sample:
        assert max(Counter((link.src, link.tgt) for link in pair.links).values()) == 1, pair


def test_every_target_word_but_a_comma_is_linked(sample):
    for pair in sample:
        linked = {link.tgt for link in pair.links}
        assert all(word == "," or at in linked for at, word in enumerate(pair.tgt.split())), pair


def test_every_source_word_has_a_sure_link(sample):
    for pair in sample:
        linked = {link.src for link in pair.links if link.is_sure}
        assert linked == set(range(len(pair.src.split()))), pair


def test_commas_stand_alone_and_never_before_the_full_stop(sample):
    for pair in sample:
        for text in (pair.src, pair.tgt):
            assert ", ," not in text
            assert ", ." not in text
            assert text.endswith(" .")
            assert text.count(".") == 1


def test_only_nouns_have_capitals(sample):
    nouns = {form for noun in NOUNS for form in (noun.tgt_singular, noun.tgt_plural, noun.tgt_plural + "n")}
    for pair in sample:
        assert pair.src == pair.src.lower()
        for word in pair.tgt.split():
            is_noun = word in nouns or word.startswith(tuple(COMPOUND_FIRST.values()))
            assert word[0].isupper() == is_noun, (word, pair.tgt)


def test_the_same_seed_gives_the_same_sentences():
    one, two = ([toy.sentence(2, 0.7) for _ in range(30)] for toy in (ToyGrammar(3), ToyGrammar(3)))
    assert one == two


# German noun phrases, written down a second time: which (gender or plural, case) an ending can stand for.
# m, f, n: singular; p: plural; 1, 3, 4: nominative, dative, accusative.

DER = {"er": "m1 f3", "e": "f1 f4 p1 p4", "es": "n1 n4", "en": "m4 p3", "em": "m3 n3"}
EIN = {"": "m1 n1 n4", "e": "f1 f4 p1 p4", "en": "m4 p3", "em": "m3 n3", "er": "f3"}
ARTICLES = {
    **{"der": "m1 f3", "die": "f1 f4 p1 p4", "das": "n1 n4", "den": "m4 p3", "dem": "m3 n3", "im": "m3 n3"},
    **{stem + ending: cells for stem in ("dies", "jed") for ending, cells in DER.items()},
    **{stem + ending: cells for stem in ("ein", "mein", "kein") for ending, cells in EIN.items()},
    **{"zwei": "p1 p3 p4", "einige": "p1 p4", "einigen": "p3"},
}
AFTER_DER = {"e": "m1 f1 f4 n1 n4", "en": "m3 f3 n3 m4 p1 p3 p4"}
AFTER_EIN = {"er": "m1", "es": "n1 n4", "e": "f1 f4", "en": "m3 f3 n3 m4 p1 p3 p4"}
AFTER_NONE = {"e": "p1 p4", "en": "p3"}
CASE_AFTER = {"in": "3", "hinter": "3", "unter": "3", "neben": "3", "mit": "3", "für": "4", "ohne": "4", "im": "3"}


@functools.cache
def cells_of_noun(word: str) -> frozenset[str]:
    """("Hunden") → {"p3"}; for a compound, of its last part."""
    cells = set()
    for noun in NOUNS:
        parts = {"", *COMPOUND_FIRST.values()}
        if word in {part + (noun.tgt_singular.lower() if part else noun.tgt_singular) for part in parts}:
            cells |= {noun.gender + case for case in "134"}
        takes_n = noun.tgt_plural[-1] not in "ns"
        for part in parts:
            plural = part + (noun.tgt_plural.lower() if part else noun.tgt_plural)
            cells |= {"p1", "p4"} if word == plural else set()
            cells |= {"p3"} if word == plural + ("n" if takes_n else "") else set()
    return frozenset(cells)


def cells_of_phrase(article: str, adjectives: list[str], noun: str) -> set[str]:
    """What gender or number and case a noun phrase can have; nothing where its words do not go together."""
    cells = cells_of_noun(noun) & set(ARTICLES[article].split())
    if article.startswith("einig") or article == "zwei":
        endings = AFTER_NONE
    else:
        endings = AFTER_EIN if article.startswith(("ein", "mein", "kein")) else AFTER_DER
    for adjective in adjectives:
        ending = next(e for e in ("er", "es", "en", "e") if e in endings and adjective.endswith(e))
        cells &= set(endings[ending].split())
    return cells


def noun_phrases(pair: SentencePair) -> list[tuple[str, str, list[str], str]]:
    """(word before, article, adjectives, noun) of each noun phrase in the target."""
    words = pair.tgt.split()
    articles = {link.tgt for link in pair.links if link.phenomenon == "article"}
    adjectives = {link.tgt for link in pair.links if link.phenomenon == "adjective"}
    found = []
    for at, word in enumerate(words):
        if at in articles:
            end = at + 1
            while end in adjectives:
                end += 1
            found.append((words[at - 1] if at else "", word, words[at + 1 : end], words[end]))
    return found


def test_the_second_set_of_rules_knows_right_from_wrong():
    assert cells_of_phrase("der", ["alte"], "Mann") == {"m1"}
    assert cells_of_phrase("den", ["alten"], "Hunden") == {"p3"}
    assert cells_of_phrase("einem", ["kleinen"], "Gartentisch") == {"m3"}
    assert cells_of_phrase("zwei", ["alte"], "Frauen") == {"p1", "p4"}
    assert not cells_of_phrase("ein", ["alte"], "Mann")
    assert not cells_of_phrase("das", [], "Katze")
    assert not cells_of_phrase("den", [], "Hunde")
    assert not cells_of_phrase("die", ["alte"], "Hunde")


def test_article_adjectives_and_noun_agree_in_every_noun_phrase(sample):
    num_phrases = 0
    for pair in sample:
        for before, article, adjectives, noun in noun_phrases(pair):
            cells = cells_of_phrase(article, adjectives, noun)
            case = CASE_AFTER.get("im" if article == "im" else before)
            assert [cell for cell in cells if case is None or cell[1] == case], (before, article, adjectives, noun)
            num_phrases += 1
    assert num_phrases > 3000


def test_every_relative_pronoun_has_gender_and_number_of_the_noun_before_it(sample):
    pronouns = {"der": "mf", "die": "fp", "das": "n", "den": "m", "dem": "mn", "denen": "p"}
    seen = set()
    for pair in sample:
        words = pair.tgt.split()
        for at in {link.tgt for link in pair.links if link.phenomenon == "relative"}:
            assert words[at - 1] == ","
            genders = {cell[0] for cell in cells_of_noun(words[at - 2])}
            assert genders & set(pronouns[words[at]]), (words[at - 2 : at + 1], pair.tgt)
            seen.add(words[at])
    assert seen == set(pronouns)


def test_a_subordinate_clause_ends_with_its_finite_verb(sample):
    for pair in sample:
        words = pair.tgt.split()
        final = {link.tgt for link in pair.links if link.phenomenon == "verb_final"}
        assert all(words[at + 1] in (",", ".") for at in final), pair.tgt


def test_no_source_has_two_translations():
    """Short sentences, since those come up again and again."""
    toy, translation, num_repeated = ToyGrammar(seed=11), {}, 0
    for _ in range(12_000):
        pair = toy.sentence(1, 0.1)
        num_repeated += pair.src in translation
        assert translation.setdefault(pair.src, pair.tgt) == pair.tgt
    assert num_repeated > 50


def test_no_english_form_stands_for_two_words():
    """A noun whose plural equals its singular, or a verb that is also another one, would make a source ambiguous."""
    forms = [form for noun in NOUNS for form in (noun.singular, noun.plural)]
    forms += [form for verb in VERBS for form in (verb.base, verb.third)]
    assert [form for form, count in Counter(forms).items() if count > 1] == []
