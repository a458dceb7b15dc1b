from pathlib import Path

import pytest

from pipeline.loaded_runs import TrainedRun, find_runs
from pipeline.run_folder import RunFolder


@pytest.mark.parametrize("config", ["", "name: of another program\n"])
def test_a_checkpoint_beside_the_settings_of_another_program_stands_alone(tmp_path, config):
    checkpoint = tmp_path / "best" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    (tmp_path / "config.yaml").write_text(config)
    (run,) = find_runs([checkpoint])
    assert (run.folder, run.data) == (None, {})


@pytest.mark.parametrize(("inside", "given"), [(".", "."), ("checkpoints", ".."), ("checkpoints", "best.ckpt")])
def test_a_run_is_found_from_inside_its_folder(tmp_path, monkeypatch, inside, given):
    """Whole paths: what is beside a run is found by the folders above it."""
    folder = RunFolder(tmp_path, "toy", "gru", 3)
    folder.best.parent.mkdir(parents=True)
    folder.best.touch()
    (folder.path / "config.yaml").write_text("seed_everything: 3\ndata: {corpus: toy}\n")
    monkeypatch.chdir(folder.path / inside)
    (run,) = find_runs([Path(given)])
    assert run == TrainedRun(folder.best, folder.path, 3, {"corpus": "toy"})
