import io
import json

import pytest
import torch

from pipeline.data import datamodule
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import EOS
from pipeline.errors import UserError

NUMBERS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben"]
ENGLISH = ["one", "two", "three", "four", "five", "six", "seven"]


def counting(*lengths: int) -> list[tuple[str, str]]:
    """Sentences that count up to each of `lengths`."""
    return [(" ".join(ENGLISH[:length]), " ".join(NUMBERS[:length])) for length in lengths]


def write_corpus(folder, train, val=None, test=None):
    folder.mkdir()
    for split, pairs in (("train", train), ("val", val or counting(3)), ("test", test or counting(4, 5))):
        lines = "".join(json.dumps({"en": src, "de": tgt}) + "\n" for src, tgt in pairs)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    """data(train, …) is a module that is set up; data.messages is what it said on the way."""
    messages = []
    monkeypatch.setattr(datamodule, "_say", messages.append)

    def make(train, name="numbers", val=None, test=None, **settings) -> TranslationData:
        folder = write_corpus(tmp_path / name, train, val, test)
        made = TranslationData(str(folder), vocab_size=350, cache_dir=str(tmp_path / "cache"), **settings)
        made.setup()
        return made

    make.messages = messages
    return make


def texts(module: TranslationData, batches) -> list[str]:
    return sorted(text for batch in batches for text in module.tokenizer.decode(batch.tgt_out.tolist()))


def test_every_split_comes_out_as_it_went_in(data):
    module = data(counting(1, 2, 3, 4), val=counting(3, 7), test=counting(5))
    assert texts(module, module.train_dataloader()) == sorted(tgt for _, tgt in counting(1, 2, 3, 4))
    assert texts(module, module.val_dataloader()) == sorted(tgt for _, tgt in counting(3, 7))
    test, train_sample = module.test_dataloader()
    assert texts(module, test) == [counting(5)[0][1]]
    assert texts(module, train_sample) == sorted(tgt for _, tgt in counting(1, 2))  # as many as validation has


def test_every_source_ends_with_eos(data):
    for batch in data(counting(1, 5, 2)).train_dataloader():
        last = batch.src_mask.sum(-1) - 1
        assert (batch.src.gather(1, last.unsqueeze(1)) == EOS).all()


def test_a_target_that_the_tokenizer_finds_nothing_in_is_still_ids(data):
    """SentencePiece takes its own mark of a word's start for white space."""
    batch = next(iter(data([("nothing", "▁")]).train_dataloader()))
    assert batch.tgt_in.dtype == batch.tgt_out.dtype == torch.long
    assert batch.tgt_out.tolist() == [[EOS]]


def test_longer_pairs_are_left_out_of_training_and_reported_but_stay_in_validation_and_test(data):
    whole = data(counting(1, 2, 6, 7), "whole", val=counting(7), test=counting(6, 7))
    longest = max(batch.tgt_out.shape[1] for batch in whole.train_dataloader())
    data.messages.clear()

    module = data(counting(1, 2, 6, 7), "short", val=counting(7), test=counting(6, 7), max_len=longest - 1)
    assert counting(7)[0][1] not in texts(module, module.train_dataloader())
    assert counting(1)[0][1] in texts(module, module.train_dataloader())
    assert texts(module, module.val_dataloader()) == [counting(7)[0][1]]
    assert len(texts(module, module.test_dataloader()[0])) == 2
    assert any(" of 4 training pairs are longer than" in message for message in data.messages)


def test_a_pair_of_exactly_the_greatest_length_stays_whichever_side_is_the_longer(data):
    """EOS counts on both sides; a word here is a piece, since it comes so often."""
    many = [("one", "eins"), ("two", "zwei")] * 20
    rows = [
        *many,
        ("one two one", "eins"),
        ("one", "eins zwei eins"),
        ("one two one two", "eins"),
        ("one", "eins zwei eins zwei"),
    ]
    module = data(rows, max_len=4)
    assert "3" not in "".join(data.messages).split(" of ")[0]
    assert sum(len(batch.index) for batch in module.train_dataloader()) == len(rows) - 2


def test_the_sentences_of_a_batch_are_numbered_as_in_the_file_in_every_epoch(data):
    """Also after one that is left out; whoever looks for what made a loss not finite reads these numbers."""
    rows = [*counting(7, 1, 2, 6, 3), *[("one", "eins"), ("two", "zwei")] * 20]
    module = data(rows, max_len=6, batch_tokens=16)
    assert counting(7)[0][1] not in texts(module, module.train_dataloader())
    for _ in range(2):
        for batch in module.train_dataloader():
            module.on_batch_consumed()
            numbers = module.consumed_sentences()
            assert len(numbers) == len(batch.index)
            assert texts(module, [batch]) == sorted(module.corpus.train[number - 1].tgt for number in numbers)


def test_no_training_pair_within_the_length_is_the_user_s_error(data):
    with pytest.raises(UserError, match=r"within 2 pieces; raise --data\.max_len"):
        data(counting(5, 6), max_len=2)


def test_a_corpus_with_fewer_pieces_than_asked_for_says_so(data):
    module = data(counting(1, 2))
    assert module.tokenizer.size < 350
    assert any(f"{module.tokenizer.size} pieces, fewer than vocab_size 350" in message for message in data.messages)


def test_the_tokenizer_learns_from_the_training_split_only(data):
    one = data(counting(1, 2, 3), "one", val=counting(4))
    two = data(counting(1, 2, 3), "two", val=counting(7), test=counting(6))
    assert one.tokenizer.proto == two.tokenizer.proto
    assert one.content_hash != two.content_hash


def test_the_tokenizer_is_trained_once_for_all_processes(data, monkeypatch):
    first = data(counting(1, 2, 3), "one")
    monkeypatch.setattr(datamodule.Tokenizer, "train", lambda *_: pytest.fail("it was trained again"))
    assert data(counting(1, 2, 3), "two").tokenizer.proto == first.tokenizer.proto


@pytest.mark.parametrize("part", [0, 100])
def test_a_tokenizer_that_is_damaged_in_the_cache_is_trained_anew(data, part):
    first = data(counting(1, 2, 3), "one")
    before = first.tokenizer.proto
    [path] = first.cache_dir.glob("tokenizer-*.model")
    path.write_bytes(before[:part])
    assert data(counting(1, 2, 3), "two").tokenizer.proto == before
    assert path.read_bytes() == before


def test_setting_up_twice_changes_nothing(data):
    module = data(counting(1, 2, 3))
    before = module.order_hash()
    corpus = module.corpus
    module.setup("test")
    assert module.corpus is corpus
    assert module.order_hash() == before


def test_the_state_is_plain_values_that_torch_loads_without_running_code(data):
    module = data(counting(1, 2, 3))
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert state == module.state_dict()
    assert (state["src"], state["tgt"], state["consumed"]) == ("en", "de", 0)
    assert datamodule.Tokenizer(state["tokenizer"]).encode(["one two"]) == module.tokenizer.encode(["one two"])


def test_training_goes_on_at_the_batch_where_the_checkpoint_was_made(data):
    settings = {"batch_tokens": 9, "seed": 3}
    before = data(counting(1, 2, 3, 4, 5, 6, 7), "before", **settings)
    uninterrupted = [batch.index.tolist() for batch in before.train_dataloader()]
    assert len(uninterrupted) > 3
    for _ in range(2):
        before.on_batch_consumed()
    after = data(counting(1, 2, 3, 4, 5, 6, 7), "after", **settings)
    after.load_state_dict(before.state_dict())
    assert [batch.index.tolist() for batch in after.train_dataloader()] == uninterrupted[2:]
    assert after.state_dict()["consumed"] == 2


def test_a_checkpoint_of_another_corpus_is_refused(data):
    state = data(counting(1, 2, 3), "one").state_dict()
    with pytest.raises(UserError, match=r"another text than .*two; .*RETRAIN=1"):
        data(counting(1, 2, 4), "two").load_state_dict(state)


def test_a_checkpoint_of_another_vocabulary_is_refused(data):
    module = data(counting(1, 2, 3))
    with pytest.raises(UserError, match="another tokenizer"):
        module.load_state_dict({**module.state_dict(), "tokenizer": b"other"})


def test_the_order_hash_tells_seeds_apart(data):
    rows = counting(1, 2, 3, 4, 5, 6, 7)
    hashes = [
        data(rows, name, batch_tokens=16, seed=seed).order_hash() for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert hashes[0] == hashes[1] != hashes[2]
