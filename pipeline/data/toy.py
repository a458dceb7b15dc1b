"""The built-in corpus `toy`: sentences of the toy grammar, balanced over lengths, split without overlap."""

from pipeline.data.corpus import LENGTH_BANDS, Corpus, SentencePair
from pipeline.data.grammar import ToyGrammar

SOURCE = "built-in grammar"

# Sentences per length band (see `LENGTH_BANDS`): training has more short ones, as natural text has; validation and test
# have the same number in every band, so that each band's score has an interval worth printing.
SENTENCES_PER_BAND = {
    "test": (200,) * 6,
    "val": (50,) * 6,
    "train": (48_000, 18_000, 10_500, 6_000, 3_600, 2_400),
}
# What a draw for a band looks like: between how many and how many main clauses.
_NUM_GROUPS = ((1, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 6))


def toy_corpus(seed: int = 0) -> Corpus:
    """The toy corpus; no sentence of one split is in another, on either side.

    Args:
        seed: Of the grammar. The corpus called `toy` in all results has seed 0.
    """
    grammar = ToyGrammar(seed)
    seen: set[str] = set()
    # One draw may land in a neighbouring band; it is kept for that one.
    drawn: list[list[SentencePair]] = [[] for _ in LENGTH_BANDS]
    wanted = [sum(sizes) for sizes in zip(*SENTENCES_PER_BAND.values(), strict=True)]
    for band in range(len(LENGTH_BANDS)):
        while len(drawn[band]) < wanted[band]:
            pair = grammar.sentence(grammar.rng.randint(*_NUM_GROUPS[band]), grammar.rng.uniform(0.2, 0.9))
            landed = _band_of(pair.src.count(" ") + 1)
            is_new = pair.src not in seen and pair.tgt not in seen
            if is_new and landed is not None and len(drawn[landed]) < wanted[landed]:
                seen.update((pair.src, pair.tgt))
                drawn[landed].append(pair)

    splits: dict[str, list[SentencePair]] = {}
    for split, sizes in SENTENCES_PER_BAND.items():
        splits[split] = [drawn[band].pop() for band, size in enumerate(sizes) for _ in range(size)]
        grammar.rng.shuffle(splits[split])
    # Nothing is trained on links, and those of so many sentences would fill the memory.
    splits["train"] = [pair._replace(links=()) for pair in splits["train"]]
    return Corpus(
        name="toy",
        source=SOURCE,
        src="en",
        tgt="de",
        **splits,
        is_synthetic=True,
    )


def _band_of(num_words: int) -> int | None:
    return next((band for band, (low, high) in enumerate(LENGTH_BANDS) if low <= num_words <= high), None)
