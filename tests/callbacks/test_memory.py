from types import SimpleNamespace

import pytest
import torch

from pipeline.callbacks import MemoryAdvice
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.errors import UserError

BATCH = make_batch([EncodedPair(torch.ones(7, dtype=torch.long), torch.ones(4, dtype=torch.long))] * 3, [0, 1, 2])
TRAINER = SimpleNamespace(datamodule=SimpleNamespace(batch_tokens=512, eval_batch_tokens=8192), global_step=13)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_names_the_batch_and_the_setting(error):
    advice = MemoryAdvice()
    advice.on_train_batch_start(TRAINER, None, BATCH, 0)
    shape = "step 13, with a batch of 3 sentences × 7 source tokens and 5 target tokens"
    with pytest.raises(UserError, match=rf"{shape}; .* Lower --data.batch_tokens \(now 512\)"):
        advice.on_exception(TRAINER, None, error)
    advice.on_validation_batch_start(TRAINER, None, BATCH, 0, 0)
    with pytest.raises(UserError, match=r"Lower --data.eval_batch_tokens \(now 8192\)"):
        advice.on_exception(TRAINER, None, error)


def test_any_other_error_is_left_alone():
    advice = MemoryAdvice()
    advice.on_train_batch_start(TRAINER, None, BATCH, 0)
    assert advice.on_exception(TRAINER, None, RuntimeError("shapes do not match")) is None
