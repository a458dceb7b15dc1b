import io

import pytest
import sentencepiece as spm
import torch

from pipeline import scoring
from pipeline.checkpoint_file import write_checkpoint
from pipeline.data.tokenizer import BOS, EOS, Tokenizer
from pipeline.errors import UserError
from pipeline.models import TransformerSeq2Seq
from pipeline.scoring import Search
from pipeline.translator import Translation, Translator
from tests.tiny_runs import SENTENCES, SIZES, checkpoint


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
        assert translation.log_prob == pytest.approx(log_prob_step_by_step(translator, translation), abs=1e-4)


def log_prob_step_by_step(translator: Translator, translation: Translation) -> float:
    """As search itself goes."""
    src = torch.tensor([translation.src_ids])
    memory = translator.network.encode(src, torch.ones_like(src, dtype=torch.bool))
    state, token, log_prob = None, BOS, 0.0
    for expected in translation.ids:
        output = translator.network.decode(torch.tensor([[token]]), memory, state)
        state = output.state
        log_prob += output.logits[0, -1].log_softmax(-1)[expected].item()
        token = expected
    return log_prob


@pytest.mark.parametrize("batch_tokens", [8192, 20])
def test_the_order_and_company_of_sentences_change_no_translation(tmp_path, monkeypatch, batch_tokens):
    """In one batch and in several."""
    monkeypatch.setattr(scoring, "_BATCH_TOKENS", batch_tokens)
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    sentences = ["the dog sleeps .", "a", "the dog . the dog .", "dog"]
    together = translator.translate(sentences, Search(beam=3))
    alone = [translator.translate([sentence], Search(beam=3))[0] for sentence in sentences]
    assert [[t.ids for t in found] for found in together] == [[t.ids for t in found] for found in alone]


def test_a_given_translation_has_the_probability_that_the_model_gives_it(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    given = translator.forced("the dog", "der Hund")
    assert translator.tokenizer.decode([given.ids]) == ["der Hund"]
    assert given.log_prob == pytest.approx(log_prob_step_by_step(translator, given), abs=1e-4)
    assert given.ids[-1] == EOS


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


def test_a_checkpoint_cannot_name_a_class_that_is_not_ours(tmp_path):
    hyper_parameters = {"name": "x", "network": {"class_path": "subprocess.Popen", "init_args": {"args": "true"}}}
    torch.save(checkpoint(hyper_parameters=hyper_parameters), tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"names subprocess.Popen, which is none of this project's models"):
        Translator.load(tmp_path / "best.ckpt")


def test_one_sentence_is_not_taken_for_a_list_of_letters(tmp_path):
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    translator = Translator.load(tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"one sentence is given, 'the dog .'; give a list of sentences"):
        translator.translate("the dog .")


def test_a_missing_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="train a model first: make train"):
        Translator.load(tmp_path / "none.ckpt")


def load_changed(tmp_path, **changes) -> Translator:
    torch.save(checkpoint(**changes), tmp_path / "best.ckpt")
    return Translator.load(tmp_path / "best.ckpt")


def test_a_checkpoint_that_is_not_the_one_its_checksum_was_made_of_is_refused(tmp_path):
    write_checkpoint(checkpoint(), tmp_path / "best.ckpt")
    assert Translator.load(tmp_path / "best.ckpt").name == "mine"
    torch.save(checkpoint(), tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"best.ckpt was changed or damaged after it was written"):
        Translator.load(tmp_path / "best.ckpt")


def test_weights_of_another_vocabulary_or_model_are_refused_by_name(tmp_path):
    network = TransformerSeq2Seq(**SIZES | {"vocab_size": 321})
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    with pytest.raises(UserError, match=r"holds the weights of another model: .*\(321, 8\), expected \(320, 8\)"):
        load_changed(tmp_path, state_dict=weights)
    gru = {"class_path": "pipeline.models.GRUSeq2Seq", "init_args": {"vocab_size": 320, "memory": "all", "d_model": 8}}
    with pytest.raises(UserError, match="holds the weights of another model"):
        load_changed(tmp_path, hyper_parameters={"name": "mine", "network": gru})


def test_more_layers_than_anybody_trains_are_refused_before_any_is_made(tmp_path):
    network = {"class_path": "pipeline.models.TransformerSeq2Seq", "init_args": SIZES | {"num_layers": 10**9}}
    with pytest.raises(UserError, match="num_layers is 1000000000; it must be from 1 to 1000"):
        load_changed(tmp_path, hyper_parameters={"name": "mine", "network": network})


def test_sizes_that_fit_into_no_memory_are_refused_before_any_is_taken(tmp_path):
    sizes = SIZES | {"d_model": 1 << 24, "d_ff": 1 << 24}
    network = {"class_path": "pipeline.models.TransformerSeq2Seq", "init_args": sizes}
    with pytest.raises(UserError, match="holds the weights of another model"):
        load_changed(tmp_path, hyper_parameters={"name": "mine", "network": network})


@pytest.mark.parametrize("init_args", [{"vocab_size": 320, "d_model": 7}, {"vocab_size": 320, "speed": 3}])
def test_settings_that_make_no_model_are_refused(tmp_path, init_args):
    network = {"class_path": "pipeline.models.TransformerSeq2Seq", "init_args": init_args}
    with pytest.raises(UserError, match=r"does not make a model of pipeline.models.TransformerSeq2Seq: \w+"):
        load_changed(tmp_path, hyper_parameters={"name": "mine", "network": network})


@pytest.mark.parametrize("cut", [lambda proto: b"\0", lambda proto: b"garbage", lambda proto: proto[: len(proto) // 2]])
def test_a_broken_tokenizer_is_refused(tmp_path, cut):
    data = checkpoint()["TranslationData"]
    with pytest.raises(UserError, match=r"the tokenizer in .*best.ckpt is"):
        load_changed(tmp_path, TranslationData=data | {"tokenizer": cut(data["tokenizer"])})


def test_a_tokenizer_of_another_make_or_of_more_pieces_than_the_model_is_refused(tmp_path):
    data = checkpoint()["TranslationData"]
    larger = Tokenizer.train(["the quick brown fox jumps over the lazy dog ."], 340).proto
    with pytest.raises(UserError, match=r"has 3\d\d pieces, but the model a vocabulary of 320"):
        load_changed(tmp_path, TranslationData=data | {"tokenizer": larger})
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, vocab_size=30, hard_vocab_limit=False, minloglevel=2
    )
    with pytest.raises(UserError, match=r"none of this project: its first pieces are \['<unk>', '<s>', '</s>'"):
        load_changed(tmp_path, TranslationData=data | {"tokenizer": model.getvalue()})
