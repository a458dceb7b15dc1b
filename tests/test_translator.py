import pickle

import pytest
import torch

from pipeline.data.tokenizer import BOS, EOS, Tokenizer
from pipeline.errors import UserError
from pipeline.models import TransformerSeq2Seq
from pipeline.scoring import Search
from pipeline.translator import Translator

SENTENCES = ["the dog sleeps .", "der Hund schläft ."]
SIZES = {"vocab_size": 320, "d_model": 8, "d_ff": 10, "num_heads": 2}


def checkpoint(**changes) -> dict:
    network = TransformerSeq2Seq(**SIZES)
    content = {
        "hyper_parameters": {
            "name": "mine",
            "network": {"class_path": "pipeline.models.TransformerSeq2Seq", "init_args": SIZES},
        },
        "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
        "TranslationData": {
            "tokenizer": Tokenizer.train(SENTENCES, 320).proto,
            "src": "en",
            "tgt": "de",
            "content_hash": "0",
        },
    }
    return content | changes


def test_a_checkpoint_translates_without_anything_else(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    assert translator.name == "mine"
    assert len(translator.translate(["the dog sleeps .", "a"])) == 2


def test_maps_of_every_layer_and_head_come_with_words(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    maps = Translator.load(tmp_path / "best.ckpt").word_maps("the dog .", "der Hund .")
    assert [m.name for m in maps] == [
        "cross-attention, layer 1",
        "cross-attention, layer 2",
        "self-attention, layer 1",
        "self-attention, layer 2",
    ]
    assert maps[2].queries == maps[2].keys == ["the", "dog", ".", "</s>"]
    assert maps[0].weights.shape == (2, 4, 4)


def test_each_of_the_n_best_has_its_own_map(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    (translations,) = translator.translate(["the dog sleeps ."], Search(beam=4, num_best=3))
    assert len({tuple(t.ids) for t in translations}) == 3
    for translation in translations:
        cross = translator.word_maps_of(translation)[0]
        words, _ = translator.tokenizer.words([*(i for i in translation.ids if i != EOS), EOS])
        assert cross.queries == words
        # Step by step, as search itself went.
        src = torch.tensor([translation.src_ids])
        memory = translator.network.encode(src, torch.ones_like(src, dtype=torch.bool))
        state, token, log_prob = None, BOS, 0.0
        for expected in translation.ids:
            logits, _, state = translator.network.decode(torch.tensor([[token]]), memory, state)
            log_prob += logits[0, -1].log_softmax(-1)[expected].item()
            token = expected
        assert log_prob == pytest.approx(translation.log_prob, abs=1e-4)


def test_the_order_and_company_of_sentences_change_no_translation(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    sentences = ["the dog sleeps .", "a", "the dog . the dog .", "dog"]
    together = translator.translate(sentences, Search(beam=3))
    alone = [translator.translate([sentence], Search(beam=3))[0] for sentence in sentences]
    assert [[t.ids for t in found] for found in together] == [[t.ids for t in found] for found in alone]


def test_a_given_translation_has_the_probability_that_the_model_gives_it(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    found = translator.translate(["the dog"], Search(beam=3, num_best=3))[0]
    finished = [t for t in found if t.is_finished and translator.tokenizer.encode([t.text])[0] == t.ids[:-1]]
    for translation in finished:
        assert translator.forced("the dog", translation.text).log_prob == pytest.approx(translation.log_prob, abs=1e-4)
    assert translator.forced("the dog", "der Hund").ids[-1] == EOS


def test_an_untrained_model_differs_in_its_weights_only(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    state = torch.random.get_rng_state()
    one, same, other = translator.untrained(1), translator.untrained(1), translator.untrained(2)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [t.network.embedding.weight for t in (translator, one, same, other)]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[1], weights[3])
    assert not torch.equal(weights[0], weights[1])


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint was executed')",))


def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path):
    path = tmp_path / "best.ckpt"
    torch.save(checkpoint(extra=Malicious()), path)
    with pytest.raises(UserError, match="not a checkpoint of this project"):
        Translator.load(path)
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(UserError, match="not a checkpoint of this project"):
        Translator.load(path)


def test_a_checkpoint_cannot_name_a_class_that_is_not_ours(tmp_path):
    hyper_parameters = {"name": "x", "network": {"class_path": "subprocess.Popen", "init_args": {"args": "true"}}}
    torch.save(checkpoint(hyper_parameters=hyper_parameters), tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"names subprocess.Popen, which is none of this project's models"):
        Translator.load(tmp_path / "best.ckpt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_broken_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "best.ckpt").write_bytes(content)
    with pytest.raises(UserError, match=r"best.ckpt is not a checkpoint"):
        Translator.load(tmp_path / "best.ckpt")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    torch.save(checkpoint(), tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    (tmp_path / "half.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half.ckpt is not a checkpoint"):
        Translator.load(tmp_path / "half.ckpt")


def test_a_missing_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="train a model first: make train"):
        Translator.load(tmp_path / "none.ckpt")
