"""Search against what is computed in other ways: whole prefixes, every possible translation, one sentence at a time."""

import itertools
import math

import pytest
import torch

from pipeline.decoding import (
    BeamRules,
    Beams,
    SearchLimits,
    Symbols,
    beam_search,
    best_tokens,
    extend,
    greedy,
    length_penalty,
)
from pipeline.models import DecoderOutput
from pipeline.objective import token_nats
from tests.conftest import VOCAB_SIZE, make_network

BOS, EOS, PAD = 2, 3, 0
SYMBOLS = Symbols(BOS, EOS, PAD, torch.zeros(VOCAB_SIZE, dtype=torch.bool).index_fill(0, torch.tensor([0, 1, 2]), True))
SHORT = SearchLimits(factor=1, extra=3)


def beam3(network, src, mask, symbols, limits):
    return beam_search(network, src, mask, symbols, limits, beam=3)


def tokens_of(row: torch.Tensor) -> list[int]:
    return [i for i in row.tolist() if i != PAD]


def log_prob_of(network, src, mask, tokens: list[int]) -> float:
    """log p of a translation by feeding all of it at once."""
    with torch.no_grad():
        log_probs = network(src, mask, torch.tensor([[BOS, *tokens[:-1]]]))[0].log_softmax(-1)
    return log_probs[torch.arange(len(tokens)), tokens].sum().item()


def test_greedy_with_a_cache_equals_feeding_the_whole_prefix_again(network, sentences):
    src, mask, _ = sentences
    found = greedy(network, src, mask, SYMBOLS, SearchLimits(factor=0, extra=6))
    prefix = torch.full((3, 1), BOS)
    with torch.no_grad():
        for _ in range(6):
            logits = network(src, mask, prefix)[:, -1].masked_fill(SYMBOLS.forbidden, float("-inf"))
            prefix = torch.cat([prefix, logits.argmax(-1, keepdim=True)], 1)
    for row, ids in enumerate(found.ids[:, 0]):
        expected = prefix[row, 1:].tolist()
        expected = expected[: expected.index(EOS) + 1] if EOS in expected else expected
        assert tokens_of(ids) == expected


@pytest.mark.parametrize("search", [greedy, beam3])
def test_neither_the_batch_nor_its_padding_changes_a_translation(network, sentences, search):
    src, mask, _ = sentences
    together = search(network, src, mask, SYMBOLS, SHORT)
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = search(network, src[[row], :length], mask[[row], :length], SYMBOLS, SHORT)
        assert tokens_of(together.ids[row, 0]) == tokens_of(alone.ids[0, 0])
        torch.testing.assert_close(together.score[row], alone.score[0])
        assert together.finished[row] == alone.finished[0]


@pytest.mark.parametrize("search", [greedy, beam3])
def test_the_order_of_the_batch_changes_nothing(network, sentences, search):
    src, mask, _ = sentences
    order = torch.tensor([2, 0, 1])
    before = search(network, src, mask, SYMBOLS, SHORT)
    after = search(network, src[order], mask[order], SYMBOLS, SHORT)
    assert torch.equal(after.ids, before.ids[order])


@pytest.mark.parametrize("search", [greedy, beam3])
def test_every_sentence_ends_at_its_own_limit_and_is_flagged_if_unfinished(network, sentences, search):
    src, mask, _ = sentences
    found = search(network, src, mask, SYMBOLS, SearchLimits(factor=1, extra=2))
    ids, finished = found.ids[:, 0], found.finished[:, 0]
    lengths = (ids != PAD).sum(1)
    assert (lengths <= mask.sum(1) + 2).all()
    assert (finished == (ids == EOS).any(1)).all()
    assert (lengths[~finished] == mask.sum(1)[~finished] + 2).all()


@pytest.mark.parametrize("search", [greedy, beam3])
def test_forbidden_tokens_never_appear_and_nothing_follows_the_end(network, sentences, search):
    src, mask, _ = sentences
    found = search(network, src, mask, SYMBOLS, SHORT)
    for row, max_len in zip(found.ids[:, 0].tolist(), SHORT.max_len(mask).tolist(), strict=True):
        length = row.index(EOS) + 1 if EOS in row else max_len
        assert not set(row[:length]) & {0, 1, 2}
        assert set(row[length:]) <= {PAD}


@pytest.mark.parametrize("search", [greedy, beam3])
def test_scores_are_those_of_the_whole_translation_at_once(network, sentences, search):
    src, mask, _ = sentences
    found = search(network, src, mask, SYMBOLS, SHORT)
    for row in range(len(src)):
        tokens = tokens_of(found.ids[row, 0])
        expected = log_prob_of(network, src[[row]], mask[[row]], tokens)
        assert found.log_prob[row, 0].item() == pytest.approx(expected, abs=1e-4)


def test_a_beam_of_one_is_greedy_search(network, sentences):
    src, mask, _ = sentences
    one = beam_search(network, src, mask, SYMBOLS, SHORT, beam=1, alpha=0.7)
    expected = greedy(network, src, mask, SYMBOLS, SHORT, alpha=0.7)
    for name in ("ids", "log_prob", "score", "finished"):
        torch.testing.assert_close(getattr(one, name), getattr(expected, name), msg=name)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("name", ["gru_attention", "transformer"])
def test_a_wide_beam_finds_the_best_of_all_translations(sentences, name, alpha):
    """Brute force: every translation of at most 3 tokens, over the 4 tokens EOS, 4, 5 and 6."""
    network = make_network(name)
    symbols = SYMBOLS._replace(forbidden=torch.tensor([i not in (EOS, 4, 5, 6) for i in range(VOCAB_SIZE)]))
    limits = SearchLimits(factor=0, extra=3)
    src, mask, _ = sentences
    found = beam_search(network, src, mask, symbols, limits, beam=64, alpha=alpha, num_best=5)
    for row in range(len(src)):
        scored = []
        for length in (1, 2, 3):
            for words in itertools.product((4, 5, 6), repeat=length - 1):
                tokens = [*words, EOS]
                log_prob = log_prob_of(network, src[[row]], mask[[row]], tokens)
                scored.append((log_prob / ((5 + length) / 6) ** alpha, tokens))
        scored.sort(reverse=True)
        assert [tokens_of(ids) for ids in found.ids[row]] == [tokens for _, tokens in scored[:5]]
        assert found.score[row].tolist() == pytest.approx([score for score, _ in scored[:5]], abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("beam", [2, 5])
def test_beam_search_never_scores_less_than_greedy_search(network, sentences, beam, alpha):
    generator = torch.Generator().manual_seed(3)
    src = torch.randint(4, VOCAB_SIZE, (40, 6), generator=generator)
    mask = torch.ones_like(src, dtype=torch.bool)
    best = beam_search(network, src, mask, SYMBOLS, SHORT, beam=beam, alpha=alpha)
    first = greedy(network, src, mask, SYMBOLS, SHORT, alpha=alpha)
    both_finished = best.finished & first.finished
    assert (best.finished | ~first.finished).all()
    assert (best.score >= first.score - 1e-5)[both_finished].all()


def test_the_n_best_are_different_fall_in_score_and_begin_with_the_best(network, sentences):
    src, mask, _ = sentences
    several = beam_search(network, src, mask, SYMBOLS, SHORT, beam=6, num_best=4)
    one = beam_search(network, src, mask, SYMBOLS, SHORT, beam=6)
    for row in range(len(src)):
        assert len({tuple(tokens_of(ids)) for ids in several.ids[row]}) == 4
        assert tokens_of(several.ids[row, 0]) == tokens_of(one.ids[row, 0])
        finished = several.score[row][several.finished[row]]
        assert (finished.diff() <= 0).all()


class Scripted(torch.nn.Module):
    """A network whose next-token probabilities depend on the step alone, the same for every sentence but the first
    token of its source: enough to say exactly what search must do."""

    vocab_size = VOCAB_SIZE

    def __init__(self, probabilities: dict[int, list[dict[int, float]]]) -> None:
        super().__init__()
        self.probabilities = probabilities

    def encode(self, src, src_mask):
        return src[:, 0]

    def decode(self, tgt, memory, state=None):
        step = 0 if state is None else state
        sources = memory.repeat_interleave(len(tgt) // len(memory)).tolist()
        logits = torch.full((len(tgt), 1, VOCAB_SIZE), -1e4)
        for row, source in enumerate(sources):
            script = self.probabilities[source]
            for token, probability in script[min(step, len(script) - 1)].items():
                logits[row, 0, token] = torch.tensor(probability).log()
        return DecoderOutput(logits, None, step + 1)

    def reorder(self, state, rows, sources=None):
        return state


def test_an_early_finished_hypothesis_is_not_lost_to_livelier_ones():
    """After one step, EOS has p = 0.2 and 4 has 0.8; then 4, 5 and 6 share alike for long: each of them soon has less
    than 0.2, but before that three of them have more."""
    even = {4: 0.34, 5: 0.33, 6: 0.33}
    network = Scripted({9: [{4: 0.8, EOS: 0.2}, even, even, even, {EOS: 1.0}]})
    src, mask = torch.tensor([[9]]), torch.ones(1, 1, dtype=torch.bool)
    found = beam_search(network, src, mask, SYMBOLS, SearchLimits(0, 8), beam=3, alpha=0.0)
    assert tokens_of(found.ids[0, 0]) == [EOS]
    assert found.log_prob[0, 0].exp().item() == pytest.approx(0.2)


def test_a_neighbour_that_needs_longer_changes_nothing():
    """The first sentence is decided after one step and its neighbour after six."""
    quick = [{EOS: 0.9, 4: 0.1}, {5: 0.5, EOS: 0.5}]
    slow = [{4: 0.6, 5: 0.4}] * 5 + [{EOS: 1.0}]
    network = Scripted({9: quick, 8: slow})
    src, mask = torch.tensor([[9], [8]]), torch.ones(2, 1, dtype=torch.bool)
    both = beam_search(network, src, mask, SYMBOLS, SearchLimits(0, 8), beam=3, num_best=2)
    alone = beam_search(network, src[:1], mask[:1], SYMBOLS, SearchLimits(0, 8), beam=3, num_best=2)
    assert [tokens_of(ids) for ids in both.ids[0]] == [tokens_of(ids) for ids in alone.ids[0]]
    torch.testing.assert_close(both.score[0], alone.score[0])


def test_what_cannot_be_takes_no_place_of_what_did_not_end_where_few_tokens_are_allowed():
    """A beam of 4 where only EOS and 4 may follow: one of its four is no translation, and the last of all."""
    network = Scripted({9: [{EOS: 0.5, 4: 0.5}]})
    symbols = SYMBOLS._replace(forbidden=torch.tensor([i not in (EOS, 4) for i in range(VOCAB_SIZE)]))
    src, mask = torch.tensor([[9]]), torch.ones(1, 1, dtype=torch.bool)
    found = beam_search(network, src, mask, symbols, SearchLimits(0, 2), beam=4, alpha=0.0, num_best=4)
    assert [tokens_of(ids) for ids in found.ids[0, :3]] == [[EOS], [4, EOS], [4, 4]]
    assert found.log_prob[0, 3].isneginf()


def test_equal_scores_are_ranked_by_the_lower_token():
    network = Scripted({9: [dict.fromkeys(range(4, 11), 1 / 7)] * 2 + [{EOS: 1.0}]})
    src, mask = torch.tensor([[9]]), torch.ones(1, 1, dtype=torch.bool)
    found = beam_search(network, src, mask, SYMBOLS, SearchLimits(0, 4), beam=3, num_best=3)
    assert [tokens_of(ids) for ids in found.ids[0]] == [[4, 4, EOS], [4, 5, EOS], [4, 6, EOS]]


def test_search_stops_as_soon_as_nothing_can_overtake():
    network = Scripted({9: [{EOS: 0.99, 4: 0.01}, {4: 1.0}]})
    src, mask = torch.tensor([[9]]), torch.ones(1, 1, dtype=torch.bool)
    found = beam_search(network, src, mask, SYMBOLS, SearchLimits(0, 60), beam=3, alpha=0.6)
    assert found.ids.size(2) == 1


@pytest.mark.parametrize(("live", "is_done"), [(-4.9, False), (-5.0, True), (-5.1, True)])
def test_a_source_is_done_when_the_best_that_lives_cannot_score_more_at_the_length_limit(live, is_done):
    """A hypothesis of seven tokens has ended with log p −2, so with −2 / 2; what lives has at most log p / 5."""
    ids = torch.tensor([[[4, 4, 4, 4, 4, 4, EOS], [5] * 7]])
    finished, parent = torch.tensor([[True, False]]), torch.zeros(1, 2, dtype=torch.long)
    beams = Beams(ids, torch.tensor([[-2.0, live]]), finished, torch.tensor([False]), parent)
    best, tokens = torch.tensor([[[0.0, -1.0], [0.0, -50.0]]]), torch.tensor([[[4, 5], [5, 4]]])
    rules = BeamRules(SYMBOLS, torch.tensor([25]), alpha=1.0, num_best=1)
    assert extend(beams, best, tokens, rules).done.tolist() == [is_done]


def test_the_length_penalty_is_that_of_the_paper():
    assert length_penalty(torch.tensor([1, 7]), 1.0).tolist() == [1.0, 2.0]
    assert length_penalty(torch.tensor([1, 7]), 0.5).tolist() == pytest.approx([1.0, 2.0**0.5])


@pytest.mark.parametrize("wrong", [{"beam": 2, "num_best": 3}, {"alpha": -0.1}, {"num_best": 0}])
def test_arguments_out_of_range_are_refused(sentences, wrong):
    src, mask, _ = sentences
    with pytest.raises(ValueError, match="need 1 ≤ num_best ≤ beam and alpha ≥ 0"):
        beam_search(make_network("gru"), src, mask, SYMBOLS, SHORT, **wrong)


@pytest.mark.parametrize(("length", "expected"), [(3, 16), (400, 512)])
def test_the_limit_grows_with_the_source_up_to_a_cap(length, expected):
    assert SearchLimits().max_len(torch.ones(1, length, dtype=torch.bool)).tolist() == [expected]


def test_a_hypothesis_that_a_longer_one_may_still_overtake_is_not_the_end():
    """EOS has p = 0.6 at once; 4 has 0.4, and then all is certain: with 8 tokens, log 0.4 · 6 / 13 beats log 0.6."""
    network = Scripted({9: [{EOS: 0.6, 4: 0.4}, *[{5: 1.0}] * 6, {EOS: 1.0}]})
    src, mask = torch.tensor([[9]]), torch.ones(1, 1, dtype=torch.bool)
    found = beam_search(network, src, mask, SYMBOLS, SearchLimits(0, 8), beam=2, alpha=1.0)
    assert tokens_of(found.ids[0, 0]) == [4, 5, 5, 5, 5, 5, 5, EOS]
    assert found.score[0, 0].item() == pytest.approx(math.log(0.4) * 6 / 13, abs=1e-3)


def test_probabilities_of_a_model_in_bfloat16_are_computed_in_float32():
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)).bfloat16()
    found, expected = (best_tokens(given, torch.arange(50) < 3, 4) for given in (logits, logits.float()))
    torch.testing.assert_close(found.value, expected.value, atol=1e-6, rtol=0)
    tgt = torch.tensor([[4, 9, 0]])
    torch.testing.assert_close(token_nats(logits[None], tgt), token_nats(logits[None].float(), tgt), atol=1e-6, rtol=0)
