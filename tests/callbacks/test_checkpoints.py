import errno
from types import SimpleNamespace

import pytest

from pipeline.callbacks import AtomicCheckpointIO, Checkpoints, checkpoints
from pipeline.errors import UserError


def trainer(tmp_path, step: int = 13, **more) -> SimpleNamespace:
    """As much of a trainer as the callback asks for."""
    values = {"global_step": step, "fast_dev_run": False, "log_dir": str(tmp_path), "world_size": 1}
    return SimpleNamespace(**values | more)


NO_VALIDATION = {
    "is_last_batch": False,
    "val_check_batch": 10**9,
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
}


def test_what_lightning_removes_leaves_nothing(tmp_path):
    files = AtomicCheckpointIO()
    files.save_checkpoint({"weights": 1}, tmp_path / "epoch=1.ckpt")
    assert len(list(tmp_path.iterdir())) == 2  # with its checksum
    files.remove_checkpoint(tmp_path / "epoch=1.ckpt")
    assert list(tmp_path.iterdir()) == []


def no_room(path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_checkpoint_that_cannot_be_written_says_so_and_what_is_kept(tmp_path):
    full = trainer(tmp_path, save_checkpoint=no_room, should_stop=False)
    with pytest.raises(UserError, match=r"step 13 cannot be written \(No space left on device\); there is none before"):
        Checkpoints().on_train_epoch_end(full, None)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"the one before is kept\. Make room .* run the same command"):
        Checkpoints().on_train_epoch_end(full, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_stops_the_run(tmp_path, value):
    lost = trainer(tmp_path, callback_metrics={"loss/val": value})
    with pytest.raises(UserError, match=rf"loss/val is {value} at step 13; the last good checkpoint is kept"):
        Checkpoints().on_validation_end(lost, None)


@pytest.mark.parametrize(
    ("seconds_per_step", "seconds", "times", "most_lost"), [(0.001, 100, 3, 26.5), (10.0, 300, 7, 40.0)]
)
@pytest.mark.parametrize("processes", [1, 2])
def test_half_a_minute_is_lost_at_most_or_a_few_steps(
    tmp_path, monkeypatch, processes, seconds_per_step, seconds, times, most_lost
):
    now, saved, agreed = [1000.0], [], []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    strategy = SimpleNamespace(broadcast=lambda value: agreed.append(now[0]) or value)
    callback = Checkpoints()
    callback._agreed = (0, now[0])
    fit = trainer(tmp_path, world_size=processes, strategy=strategy, save_checkpoint=saved.append, **NO_VALIDATION)
    losses = []
    for step in range(1, int(seconds / seconds_per_step)):
        now[0] += seconds_per_step
        fit.global_step = step
        before = len(saved), callback._saved_at
        callback.on_train_batch_end(fit, None, None, None, step)
        if len(saved) > before[0]:
            losses.append(now[0] - before[1])
    assert len(losses) >= times
    assert max(losses) <= most_lost
    assert len(agreed) <= seconds  # and not at every one of many short steps


def test_nothing_is_saved_just_before_a_validation_of_batches_counted_over_epochs(tmp_path):
    """The second epoch begins with the eighth batch of all, and a validation follows every tenth."""
    saved = []
    counting = {"val_check_batch": 10, "check_val_every_n_epoch": None}
    over_epochs = trainer(tmp_path, save_checkpoint=saved.append, **NO_VALIDATION | counting)
    callback = Checkpoints(every_seconds=0)
    after = []
    for batch in range(4):
        over_epochs.fit_loop = SimpleNamespace(epoch_loop=SimpleNamespace(total_batch_idx=7 + batch))
        before = len(saved)
        callback.on_train_batch_end(over_epochs, None, None, None, batch)
        after += [batch] * (len(saved) - before)
    assert after == [0, 1, 3]


def test_nothing_is_saved_between_the_batches_of_one_step(tmp_path):
    saved = []
    in_threes = trainer(tmp_path, save_checkpoint=saved.append, **NO_VALIDATION | {"accumulate_grad_batches": 3})
    callback = Checkpoints(every_seconds=0)
    after = []
    for batch in range(7):
        before = len(saved)
        callback.on_train_batch_end(in_threes, None, None, None, batch)
        after += [batch] * (len(saved) - before)
    assert after == [2, 5]


def test_the_best_checkpoint_is_the_one_with_the_lowest_loss(tmp_path):
    saved = []
    callback = Checkpoints()
    for step, loss in ((10, 3.0), (20, 1.0), (30, 2.0), (40, 1.0)):
        callback.on_validation_end(
            trainer(
                tmp_path,
                step,
                callback_metrics={"loss/val": loss},
                save_checkpoint=lambda path, step=step: saved.append((step, path.name)),
            ),
            None,
        )
    assert saved == [(10, "best.ckpt"), (20, "best.ckpt")]
    assert callback.state_dict()["best"] == 1.0
