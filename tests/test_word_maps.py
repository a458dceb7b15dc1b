"""Maps of pieces merged to maps of words, and the mean of several."""

import numpy as np
import pytest
import torch

from pipeline.data.batching import make_batch
from pipeline.data.tokenizer import EOS
from pipeline.translator import Translator
from pipeline.word_maps import WordMap, mean_cross_map
from tests.tiny_runs import checkpoint


@pytest.fixture
def translator(tmp_path) -> Translator:
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    return Translator.load(tmp_path / "best.ckpt")


def test_saliency_of_the_end_is_the_gradient_of_its_probability_summed_over_the_pieces_of_each_word(translator):
    network = translator.network
    found = translator.saliency_map("the dog sleeps .", "der Hund .")
    assert found.queries[-1] == "</s>"
    batch = make_batch([translator._encoded("the dog sleeps .", "der Hund .")])
    vectors = network.embed_source(batch.src).detach().requires_grad_()
    logits = network.decode(batch.tgt_in, network.encode_vectors(vectors, batch.src_mask)).logits
    (gradient,) = torch.autograd.grad(logits[0, -1].log_softmax(-1)[EOS], vectors)
    norms = gradient[0].norm(dim=-1)
    words, word_of = translator.tokenizer.words(batch.src[0].tolist())
    expected = np.zeros(len(words))
    np.add.at(expected, word_of, (norms / norms.sum()).numpy())
    np.testing.assert_allclose(found.weights[0, -1], expected, rtol=1e-4)


def test_the_mean_is_over_all_heads_of_all_layers_of_cross_attention():
    def of(kind: str, *heads: list[float]) -> WordMap:
        return WordMap(kind, kind, np.array(heads)[:, None], ["x"], ["a", "b"])

    maps = [of("cross", [1.0, 0.0], [0.0, 1.0]), of("encoder", [0.0, 1.0]), of("cross", [1.0, 0.0], [1.0, 0.0])]
    assert mean_cross_map(maps).weights.tolist() == [[[0.75, 0.25]]]
