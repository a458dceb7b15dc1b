"""Fast search against the readable one: the same translations, from the same probabilities."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from pipeline import decoding
from pipeline.decoding import Hypotheses, SearchLimits, Symbols
from pipeline.fast import search as fast
from pipeline.fast.product import CHUNK_SIZE
from pipeline.fast.search import NUM_GROUPS, TokenRanker
from tests.commands import ROOT
from tests.conftest import D_MODEL, VOCAB_SIZE, WithoutMatrix, make_network

BOS, EOS, PAD = 2, 3, 0
SYMBOLS = Symbols(BOS, EOS, PAD, torch.arange(VOCAB_SIZE) < 3)
LIMITS = SearchLimits(factor=1, extra=4)


def random_batch(batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 10, (batch, 1), generator=generator)
    mask = torch.arange(9) < lengths
    return torch.randint(4, VOCAB_SIZE, (batch, 9), generator=generator) * mask, mask


def ending_early(network):
    """The same network, which likes to end: hypotheses of a source, and sources, are over at different steps."""
    with torch.no_grad():
        matrix = network.output_matrix
        matrix[EOS] = matrix[4:].mean(0) + 0.3 * matrix[EOS]
        matrix *= 1.5
    return network


def assert_same(found: Hypotheses, expected: Hypotheses) -> None:
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.finished, expected.finished)
    torch.testing.assert_close(found.log_prob, expected.log_prob, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found.score, expected.score, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_greedy_search_finds_the_same(network, alpha):
    src, mask = random_batch(19, seed=1)
    for model in (network, ending_early(network)):
        found = fast.greedy(model, src, mask, SYMBOLS, LIMITS, alpha=alpha)
        assert_same(found, decoding.greedy(model, src, mask, SYMBOLS, LIMITS, alpha=alpha))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("beam", "num_best"), [(1, 1), (2, 1), (5, 5), (13, 3)])
def test_beam_search_finds_the_same(network, beam, num_best, alpha):
    """Wider than the 8 tokens that are allowed, too."""
    options = {"beam": beam, "num_best": num_best, "alpha": alpha}
    for seed, model in enumerate((network, ending_early(network))):
        src, mask = random_batch(19, seed)
        found = fast.beam_search(model, src, mask, SYMBOLS, LIMITS, **options)
        assert_same(found, decoding.beam_search(model, src, mask, SYMBOLS, LIMITS, **options))


def test_what_is_over_is_soon_not_computed(monkeypatch):
    """Sources end at different steps here: few rows are of those that are done, and no logits."""
    network, beam = ending_early(make_network("transformer")), 5
    rows, wanted, going_on = [], [], []

    def counting(tgt, *arguments, **options):
        rows.append(len(tgt))
        return type(network).decode(network, tgt, *arguments, **options)

    def counting_best_tokens(self, output, count):
        wanted.append(len(output))
        return best_tokens(self, output, count)

    def counting_extend(*arguments):
        beams = decoding.extend(*arguments)
        going_on.append(int((~beams.done).sum()))
        return beams

    best_tokens = TokenRanker.best_tokens
    monkeypatch.setattr(network, "decode", counting)
    monkeypatch.setattr(TokenRanker, "best_tokens", counting_best_tokens)
    monkeypatch.setattr(fast, "extend", counting_extend)
    src, mask = random_batch(19, seed=1)
    fast.beam_search(network, src, mask, SYMBOLS, LIMITS, beam=beam)
    assert rows[0] == wanted[0] == 19
    for now, sources in zip(rows[1:], going_on, strict=False):
        assert sources * beam <= now < sources * beam / (1 - fast.SHARE_TO_LEAVE)
    assert all(few <= many for few, many in zip(wanted, rows, strict=True))
    assert sum(wanted) < sum(rows)
    assert rows[-1] < rows[1] / 2


_TWO_SEARCHES = """
import resource
import torch
from pipeline.decoding import SearchLimits, Symbols
from pipeline.fast import product, search as fast
from pipeline.models import GRUSeq2Seq

torch.manual_seed(1)
product.CHUNK_SIZE["cpu"] = 1 << 22  # blocks of 16 MB, of which two or more are in use at a time
VOCAB_SIZE, STEPS, BEAM = 5000, 10, 4
network = GRUSeq2Seq(VOCAB_SIZE, d_embed=16, d_model=16).eval()
src = torch.randint(4, VOCAB_SIZE, (100, 8))
symbols, limits = Symbols(2, 3, 0, torch.arange(VOCAB_SIZE) < 3), SearchLimits(factor=0, extra=STEPS)
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fast.beam_search(network, src, torch.ones_like(src, dtype=torch.bool), symbols, limits, beam=BEAM)
    new_pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages_of_logits = len(src) * BEAM * STEPS * VOCAB_SIZE * 4 // resource.getpagesize()
print(new_pages / pages_of_logits)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
def test_a_search_reuses_the_memory_of_the_one_before():
    """In a process of its own: what this one has freed so far decides what it keeps."""
    settings = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    done = subprocess.run([sys.executable, "-c", _TWO_SEARCHES], cwd=ROOT, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.1


@pytest.mark.parametrize("beam", [1, 3])
def test_a_model_whose_logits_are_no_product_is_searched_the_readable_way(beam):
    network = WithoutMatrix(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL).eval()
    src, mask = random_batch(7, seed=1)
    found = fast.beam_search(network, src, mask, SYMBOLS, LIMITS, beam=beam)
    assert_same(found, decoding.beam_search(network, src, mask, SYMBOLS, LIMITS, beam=beam))


@pytest.mark.parametrize("vocab_size", [5, NUM_GROUPS, 1003])
@pytest.mark.parametrize("count", [1, 4, NUM_GROUPS + 1])
def test_the_best_tokens_are_those_of_all_logits(vocab_size, count, monkeypatch):
    monkeypatch.setitem(CHUNK_SIZE, "cpu", 4000)  # several chunks, the last one shorter
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(vocab_size, 6, generator=generator)
    output = torch.randn(23, 6, generator=generator)
    forbidden = torch.rand(vocab_size, generator=generator) < 0.2
    found = TokenRanker(matrix, forbidden).best_tokens(output, count)
    expected = decoding.best_tokens(output @ matrix.t(), forbidden, count)
    some = expected.value.isfinite()
    assert torch.equal(found.index[:, : some.size(1)][some], expected.index[some])
    torch.testing.assert_close(found.value[:, : some.size(1)], expected.value)
    assert found.value[:, some.size(1) :].isneginf().all()


@pytest.mark.parametrize("is_forbidden", [torch.arange(50) < 0, torch.arange(50) == 7])
def test_what_is_forbidden_may_have_nearly_all_probability(is_forbidden):
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(50, 6, generator=generator)
    matrix[7] = 200.0
    output = torch.rand(3, 6, generator=generator)
    found = TokenRanker(matrix, is_forbidden).best_tokens(output, 4)
    expected = decoding.best_tokens(output @ matrix.t(), is_forbidden, 4)
    assert torch.equal(found.index, expected.index)
    assert found.value.isfinite().all()
    torch.testing.assert_close(found.value, expected.value)


def test_equal_logits_are_ranked_by_the_lower_token():
    matrix = torch.ones(400, 2)
    matrix[7] = 2
    found = TokenRanker(matrix, torch.arange(400) < 3).best_tokens(torch.ones(5, 2), 4)
    assert found.index.tolist() == [[7, 3, 4, 5]] * 5
