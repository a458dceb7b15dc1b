from types import SimpleNamespace

import pytest
import torch

from pipeline.callbacks import MemoryAdvice
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.errors import UserError

BATCH = make_batch([EncodedPair(torch.ones(7, dtype=torch.long), torch.ones(4, dtype=torch.long))] * 3)
TRAINER = SimpleNamespace(datamodule=SimpleNamespace(batch_tokens=512, eval_batch_tokens=8192), global_step=13)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_names_the_batch_and_the_setting(error):
    advice = MemoryAdvice()
    advice.on_train_batch_start(TRAINER, None, BATCH, 0)
    shape = "step 13, with a batch of 3 sentences × 7 source tokens and 5 target tokens"
    settings = r"--data.batch_tokens \(now 512\), --data.max_len or the model's sizes"
    with pytest.raises(UserError, match=rf"{shape}; .* the same command again, .* Else lower {settings}"):
        advice.on_exception(TRAINER, None, error)
    advice.on_test_batch_start(TRAINER, None, BATCH, 0, 0)
    with pytest.raises(
        UserError, match=r"Else give it with a lower --data.eval_batch_tokens \(now 8192\), which goes on"
    ):
        advice.on_exception(TRAINER, None, error)


def test_memory_that_is_gone_before_the_first_batch_names_none():
    with pytest.raises(UserError, match="out of memory at step 13; the last good checkpoint"):
        MemoryAdvice().on_exception(TRAINER, None, torch.OutOfMemoryError("CUDA out of memory"))


def test_any_other_error_is_left_alone():
    advice = MemoryAdvice()
    advice.on_train_batch_start(TRAINER, None, BATCH, 0)
    assert advice.on_exception(TRAINER, None, RuntimeError("shapes do not match")) is None
