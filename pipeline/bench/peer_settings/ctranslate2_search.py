"""Runs inside an environment with CTranslate2 and eole: converts what eole trained, and translates with it.

CTranslate2 is a library, not a command; this is the command.
"""

import sys
import time
from pathlib import Path

import ctranslate2
import yaml
from ctranslate2.converters.eole_ct2 import EoleConverter

settings = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
EoleConverter(settings["model"]).convert("ctranslate2-model", force=True)
translator = ctranslate2.Translator(
    "ctranslate2-model", device="cpu", compute_type="float32", inter_threads=1, intra_threads=settings["threads"]
)
sentences = [line.split(" ") for line in Path(settings["src"]).read_text(encoding="utf-8").rstrip("\n").split("\n")]
start = time.perf_counter()
translator.translate_batch(
    sentences,
    beam_size=settings["beam_size"],
    min_decoding_length=settings["length"],
    max_decoding_length=settings["length"],
    max_batch_size=settings["batch_size"],
)
print(f"search took {time.perf_counter() - start:.3f} s")
