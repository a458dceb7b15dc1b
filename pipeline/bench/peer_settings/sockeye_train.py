"""Runs inside an environment with Sockeye: trains as its own command does, with our pieces.

What its log calls tokens are padded ones of the source, of fifty batches; here they are the target's, of one window.
"""

import json
import sys
from pathlib import Path

import yaml
from sockeye import constants, data_io, train

settings = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
pieces = Path("vocab").read_text(encoding="utf-8").rstrip("\n").split("\n")
vocabulary = {piece: id_ for id_, piece in enumerate([*constants.VOCAB_SYMBOLS, *pieces])}
Path(settings["source_vocab"]).write_text(json.dumps(vocabulary), encoding="utf-8")
constants.MEASURE_SPEED_EVERY = settings["steps"]
create_batch = data_io.create_batch_from_parallel_sample


def counted_batch(source, target, label, *others):
    batch = create_batch(source, target, label, *others)
    batch.tokens = int((label != constants.PAD_ID).sum())
    return batch


data_io.create_batch_from_parallel_sample = counted_batch
sys.argv[1:] = ["--config", sys.argv[1]]
train.main()
