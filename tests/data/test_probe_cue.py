import numpy as np
import pytest

from pipeline.data.probes import cue
from pipeline.data.tokenizer import EOS


@pytest.mark.parametrize("offset", [-10, -1, 1, 3, 10])
def test_the_cue_decides_the_sense_at_its_offset(offset):
    for seed in range(50):
        item = cue.draw(np.random.default_rng(seed), offset)
        src = item.pair.src
        assert len(src) == cue.LENGTH + 1
        assert src[-1] == EOS
        place = cue.homonym_position(src.unsqueeze(0)).item()
        words = src.tolist()
        homonym, sense = words[place] - cue.FIRST_HOMONYM, (words[place + offset] - cue.FIRST_CUE) % 2
        assert 0 <= src[place + offset] - cue.FIRST_CUE < 2 * cue.CUES
        others = [word for at, word in enumerate(src[:-1].tolist()) if at not in (place, place + offset)]
        assert all(cue.FIRST_FILLER <= word < cue.FIRST_SENSE for word in others)
        assert item.right == cue.FIRST_SENSE + 2 * homonym + sense
        assert item.pair.tgt.tolist() == [item.right]
        assert {item.right, item.wrong} == {cue.FIRST_SENSE + 2 * homonym, cue.FIRST_SENSE + 2 * homonym + 1}


def test_senses_are_even():
    right = [cue.draw(np.random.default_rng(seed), 5).right for seed in range(2000)]
    counts = np.bincount(np.array(right) - cue.FIRST_SENSE, minlength=2 * cue.HOMONYMS) / 2000
    assert np.abs(counts - 1 / (2 * cue.HOMONYMS)).max() < 0.03


@pytest.mark.parametrize("offset", [0, 11, -11])
def test_an_offset_outside_is_refused(offset):
    with pytest.raises(ValueError, match=str(offset)):
        cue.draw(np.random.default_rng(0), offset)


def test_all_ids_are_in_the_vocabulary():
    for seed in range(200):
        item = cue.draw(np.random.default_rng(seed), 1)
        assert max(*item.pair.src.tolist(), item.right) < cue.VOCAB_SIZE
