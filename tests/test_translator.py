import pickle

import pytest
import torch

from pipeline.data.tokenizer import Tokenizer
from pipeline.errors import UserError
from pipeline.models import TransformerSeq2Seq
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
