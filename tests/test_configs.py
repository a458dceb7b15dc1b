"""Every shipped combination of configs parses into a run."""

from itertools import product
from unittest.mock import Mock

import pytest
import yaml
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.cli import SaveConfigCallback

from pipeline import recipes
from pipeline.ablation import read_parts
from pipeline.callbacks import Checkpoints
from pipeline.errors import UserError
from pipeline.models import Seq2Seq
from pipeline.recipes import config_files, leaves_no_scores, training_command
from scripts.train import TranslationCLI
from tests.prepared_python import ROOT

CORPORA = sorted((ROOT / "configs" / "corpus").glob("*.yaml"))
MODELS = sorted((ROOT / "configs" / "model").glob("*.yaml"))
THREE = ("gru", "gru_attention", "transformer")
GRUS = ("gru", "gru_mean", "gru_attention")


@pytest.fixture
def cli_of(monkeypatch, tmp_path):
    """Parses a fit command and instantiates everything, without fitting."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(TranslationCLI, "_run_subcommand", lambda self, subcommand: None)

    def make(*arguments: str) -> TranslationCLI:
        return TranslationCLI(["fit", *arguments, "--runs_dir", str(tmp_path / "runs")])

    return make


@pytest.mark.parametrize(("corpus", "model"), product(CORPORA, MODELS), ids=lambda path: path.stem)
def test_every_shipped_combination_makes_a_run(cli_of, corpus, model):
    cli = cli_of("-c", "configs/base.yaml", "-c", str(corpus), "-c", str(model))
    assert isinstance(cli.model.network, Seq2Seq)
    assert cli.model.name == model.stem
    assert cli.model.network.vocab_size == cli.datamodule.vocab_size
    assert any(isinstance(callback, Checkpoints) for callback in cli.trainer.callbacks)


@pytest.mark.parametrize("path", ["EarlyStopping", "pytorch_lightning.callbacks.early_stopping.EarlyStopping"])
def test_early_stopping_decides_at_validations_by_whatever_path_it_is_named(cli_of, path):
    added = ["--trainer.callbacks+", path, "--trainer.callbacks.init_args.monitor", "bleu/val"]
    cli = cli_of(*options_of("toy", None, "gru"), *added)
    stopping = [callback for callback in cli.trainer.callbacks if isinstance(callback, EarlyStopping)]
    assert [callback._check_on_train_epoch_end for callback in stopping] == [False, False]


def test_the_settings_of_a_run_are_written_as_lightning_would_and_as_a_whole(cli_of, tmp_path, monkeypatch):
    cli = cli_of(*options_of("toy", None, "gru"), "--data.corpus", "말뭉치")
    [callback] = [callback for callback in cli.trainer.callbacks if isinstance(callback, SaveConfigCallback)]
    written = cli.folder.path / "config.yaml"
    monkeypatch.setattr("builtins.open", Mock(side_effect=AssertionError))  # pathlib has its own
    callback.setup(cli.trainer, cli.model, "fit")
    monkeypatch.undo()
    expected = tmp_path / "expected.yaml"
    cli._parser("fit").save(cli.config.fit, str(expected), skip_none=False, multifile=False)
    assert written.read_bytes() == expected.read_bytes()
    assert [path.name for path in written.parent.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"model:\n\tname: mine", "mine.yaml is not YAML"),
        (b"model: {name: \xff}", "mine.yaml is not YAML in UTF-8"),
        (b"- model", "mine.yaml holds list; expected settings by name"),
        (b"model: mine", "mine.yaml has model.name None; call it mine"),
    ],
)
def test_a_model_s_file_with_a_mistake_is_named(tmp_path, monkeypatch, text, message):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "corpus" / "toy.yaml").touch()
    (tmp_path / "model" / "mine.yaml").write_bytes(text)
    monkeypatch.setattr(recipes, "CONFIGS", tmp_path)
    with pytest.raises(UserError, match=message):
        config_files("toy", None, "mine")


def options_of(corpus: str, recipe: str | None, model: str) -> list[str]:
    return [word for file in config_files(corpus, recipe, model) for word in ("-c", str(file))]


@pytest.mark.parametrize("model", THREE)
def test_multi30k_and_its_other_forms_are_trained_by_its_recipe(cli_of, model):
    own = config_files("multi30k", None, model)
    assert own == config_files("folder/multi30k", None, model) == config_files("multi30k_tok", "multi30k", model)
    assert [str(path) for path in own][1:] == [
        "configs/corpus/multi30k.yaml",
        f"configs/model/{model}.yaml",
        f"configs/multi30k/{model}.yaml",
    ]
    assert cli_of(*options_of("multi30k", None, model)).model.name == model


def test_the_corpus_that_is_named_is_trained_on_whatever_the_recipe():
    for corpus, recipe in (("toy", "multi30k"), ("multi30k", "toy"), ("toy", "other"), ("folder/texts", None)):
        command = training_command(corpus, recipe, "gru", 1, "runs")
        assert command[command.index("--data.corpus") + 1] == corpus
    assert "--data.corpus" not in training_command("toy", None, "gru", 1, "runs")  # configs/corpus/toy.yaml has it


def test_a_model_that_is_not_called_as_its_file_is_refused_before_it_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "CONFIGS", tmp_path)
    for name, text in (("corpus/toy", ""), ("model/mine", "model: {name: yours}"), ("model/none", "# nothing")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).with_suffix(".yaml").write_text(text)
    with pytest.raises(UserError, match=r"mine.yaml has model.name 'yours'; call it mine, as its file"):
        config_files("toy", None, "mine")
    with pytest.raises(UserError, match=r"none.yaml has model.name None"):
        config_files("toy", None, "none")


@pytest.mark.parametrize(
    ("options", "is_trial"),
    [
        (["--score_test", "false"], True),
        (["--score_test=False"], True),
        (["--score_test", "no"], True),
        (["--score_test=off"], True),
        (["--score_test", "true"], False),
        (["--score_test=yes"], False),
        (["--score_test", "["], False),  # which scripts.train refuses
        (["--trainer.fast_dev_run", "3"], True),
        (["--trainer.fast_dev_run=false"], False),
        (["--trainer.fast_dev_run=no"], False),
        (["--trainer.fast_dev_run=0"], False),
        (["--trainer.max_steps", "5"], False),
        (["--help"], True),
        (["--print_config=skip_null"], True),
    ],
)
def test_what_leaves_no_scores_is_known(options, is_trial):
    assert leaves_no_scores(options) is is_trial


def test_other_corpora_have_no_settings_of_their_own():
    for model in THREE:
        files = ["configs/base.yaml", "configs/corpus/other.yaml", f"configs/model/{model}.yaml"]
        files += [f"configs/other/{model}.yaml"] if "gru" in model else []
        assert [str(path) for path in config_files("multi30k_tok", None, model)] == files
    assert [path.name for path in config_files("toy", None, "gru")] == ["base.yaml", "toy.yaml", "gru.yaml"]


def test_the_recipe_gives_the_three_models_as_many_parameters_and_equal_batches(cli_of):
    models = (*THREE, "gru_mean", "gru_attention_both")
    made = {model: cli_of(*options_of("multi30k", None, model)) for model in models}
    for recipe, alike in (("multi30k", GRUS), ("other", (*GRUS, "gru_attention_both"))):
        texts = {(ROOT / "configs" / recipe / f"{model}.yaml").read_text() for model in alike}
        assert len(texts) == 1  # between these, the line in configs/model is all that differs
    gru, attention, transformer, mean, both = map(num_parameters, made.values())
    assert gru == attention == mean
    assert abs(gru - transformer) < 0.01 * transformer
    assert abs(gru - both) < 0.01 * gru
    assert len({made[model].initial_weights_hash for model in GRUS}) == 1
    data = [made[model].config.fit.data.as_dict() for model in models]
    assert all(of_model == data[0] for of_model in data)


@pytest.mark.parametrize("corpus", ["toy", "folder"])
def test_the_three_models_have_as_many_parameters_on_any_corpus(cli_of, corpus):
    gru, attention, transformer = (num_parameters(cli_of(*options_of(corpus, None, model))) for model in THREE)
    assert gru == attention
    assert abs(gru - transformer) < 0.01 * gru


def test_the_bidirectional_gru_has_as_many_parameters_as_the_others_on_any_corpus(cli_of):
    of_one_way, both = (
        num_parameters(cli_of(*options_of("toy", None, model))) for model in ("gru", "gru_attention_both")
    )
    assert abs(of_one_way - both) < 0.01 * of_one_way


def num_parameters(cli: TranslationCLI) -> int:
    return sum(p.numel() for p in cli.model.parameters())


@pytest.mark.parametrize("model", [*THREE, "gru_attention_both"])
def test_each_part_of_the_recipe_can_be_left_out(cli_of, model):
    settings = {}
    for part in read_parts("multi30k"):
        if part.models is None or model in part.models:
            config = cli_of(*options_of("multi30k", None, model), *part.arguments).config.fit
            settings[part.name] = str(config.as_dict())
    assert len(set(settings.values())) == len(settings) > 1  # each changes something


def test_gru_and_gru_attention_differ_in_one_line_beside_the_name():
    gru, attention = ((ROOT / "configs" / "model" / f"{name}.yaml") for name in ("gru", "gru_attention"))
    one, other = (
        {line for line in path.read_text().splitlines() if not line.startswith("#")} for path in (gru, attention)
    )
    assert one - other == {"  name: gru", "      memory: last"}
    assert other - one == {"  name: gru_attention", "      memory: all"}


def test_gru_and_gru_attention_start_from_the_same_weights(cli_of):
    hashes = {
        cli_of(
            "-c", "configs/base.yaml", "-c", "configs/corpus/toy.yaml", "-c", f"configs/model/{name}.yaml"
        ).initial_weights_hash
        for name in ("gru", "gru_attention", "gru_mean")
    }
    assert len(hashes) == 1


def test_another_seed_gives_other_weights(cli_of):
    files = ("-c", "configs/base.yaml", "-c", "configs/corpus/toy.yaml", "-c", "configs/model/gru.yaml")
    assert cli_of(*files).initial_weights_hash != cli_of(*files, "--seed_everything", "2").initial_weights_hash


def test_a_model_file_states_only_the_model():
    for path in MODELS:
        assert set(yaml.safe_load(path.read_text())) == {"model"}


def test_a_misspelt_option_is_named(cli_of, capsys):
    files = ("-c", "configs/base.yaml", "-c", "configs/corpus/toy.yaml", "-c", "configs/model/gru.yaml")
    with pytest.raises(SystemExit) as exit_:
        cli_of(*files, "--model.netwrok.memory", "all")
    assert exit_.value.code == 2
    assert "netwrok" in capsys.readouterr().err
