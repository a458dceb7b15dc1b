import pytest
import torch

from pipeline.decoding import SearchLimits, greedy
from tests.conftest import VOCAB_SIZE

BOS, EOS, PAD = 2, 3, 0
FORBIDDEN = torch.zeros(VOCAB_SIZE, dtype=torch.bool).index_fill(0, torch.tensor([0, 1, 2]), True)


def search(network, src, mask, **options):
    return greedy(network, src, mask, bos=BOS, eos=EOS, pad=PAD, forbidden=FORBIDDEN, **options)


def test_greedy_with_a_cache_equals_feeding_the_whole_prefix_again(network, sentences):
    src, mask, _ = sentences
    limits = SearchLimits(factor=0, extra=6)
    found = search(network, src, mask, limits=limits)
    prefix = torch.full((3, 1), BOS)
    with torch.no_grad():
        for _ in range(6):
            logits = network(src, mask, prefix)[:, -1].masked_fill(FORBIDDEN, float("-inf"))
            prefix = torch.cat([prefix, logits.argmax(-1, keepdim=True)], 1)
    for row, ids in enumerate(found.ids.tolist()):
        expected = prefix[row, 1:].tolist()
        expected = expected[: expected.index(EOS) + 1] if EOS in expected else expected
        assert [i for i in ids if i != PAD] == expected


def test_neither_the_batch_nor_its_padding_changes_a_translation(network, sentences):
    src, mask, _ = sentences
    together = search(network, src, mask, limits=SearchLimits(factor=1, extra=3))
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = search(network, src[[row], :length], mask[[row], :length], limits=SearchLimits(factor=1, extra=3))
        ids = together.ids[row].tolist()
        assert [i for i in ids if i != PAD] == [i for i in alone.ids[0].tolist() if i != PAD]
        assert together.finished[row] == alone.finished[0]


def test_every_sentence_ends_at_its_own_limit(network, sentences):
    src, mask, _ = sentences
    found = search(network, src, mask, limits=SearchLimits(factor=1, extra=2))
    lengths = (found.ids != PAD).sum(1)
    assert (lengths <= mask.sum(1) + 2).all()
    assert (found.finished == (found.ids == EOS).any(1)).all()
    assert (lengths[~found.finished] == mask.sum(1)[~found.finished] + 2).all()


def test_forbidden_tokens_never_appear_and_nothing_follows_the_end(network, sentences):
    src, mask, _ = sentences
    limits = SearchLimits(factor=1, extra=2)
    found = search(network, src, mask, limits=limits)
    for row, max_len in zip(found.ids.tolist(), limits.max_len(mask).tolist(), strict=True):
        length = row.index(EOS) + 1 if EOS in row else max_len
        assert not set(row[:length]) & {0, 1, 2}
        assert set(row[length:]) <= {PAD}


def test_alignment_rows_belong_to_the_tokens(network, sentences):
    src, mask, _ = sentences
    found = search(network, src, mask, need_alignment=True, limits=SearchLimits(factor=0, extra=4))
    assert found.alignment.shape[:2] == found.ids.shape
    torch.testing.assert_close(found.alignment.sum(-1), torch.ones(found.ids.shape))


@pytest.mark.parametrize(("length", "expected"), [(3, 16), (200, 256)])
def test_the_limit_grows_with_the_source_up_to_a_cap(length, expected):
    assert SearchLimits().max_len(torch.ones(1, length, dtype=torch.bool)).tolist() == [expected]
