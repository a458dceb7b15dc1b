"""The evaluation of run folders, from the command's arguments to the files it leaves."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import sacrebleu
import torch

from pipeline.atomic import lock
from pipeline.data.loading import load_corpus
from pipeline.errors import UserError
from pipeline.evaluation.kept import STAGED, settle, staging
from pipeline.evaluation.kept import evaluated as evaluated_of
from pipeline.evaluation.plan import given_run, plans
from pipeline.evaluation_tables import evaluation_tables, tables_and_origin
from pipeline.json_files import read_json_lines, write_json_lines
from scripts.evaluate import _parser, run
from tests.tiny_runs import write_run, write_text_corpus


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    pairs = write_text_corpus(folder / "little")
    for model, seed in (("gru", 1), ("gru_attention", 1), ("gru_attention", 2), ("transformer", 1)):
        write_run(folder / "runs", folder / "little", model, seed)
    links = [" ".join(f"{x.src}{'-' if x.is_sure else 'p'}{x.tgt}" for x in pair.links) for pair in pairs]
    (folder / "gold.txt").write_text("".join(f"{line}\n" for line in links))
    return folder


def evaluate(*arguments) -> None:
    run(_parser().parse_args([*map(str, arguments), "--device", "cpu"]))


@pytest.fixture(scope="module")
def evaluated(runs):
    """The content of the JSON after evaluating all runs of the folder."""
    evaluate(runs / "runs" / "little", "--beam", 2, "--concatenate", 2)
    return json.loads((runs / "runs" / "little" / "evaluation" / "test" / "evaluation.json").read_text())


def test_seeds_of_a_model_are_put_together(evaluated):
    models = evaluated["scores"]["models"]
    assert {name: values["seeds"] for name, values in models.items()} == {
        "gru": [1],
        "gru_attention": [1, 2],
        "transformer": [1],
    }


def test_b_tok_is_what_sacrebleu_prints_for_the_written_hypotheses(runs, evaluated):
    out = runs / "runs" / "little" / "evaluation" / "test"
    command = [sys.executable, "-m", "sacrebleu", str(runs / "little" / "test.de"), "-i", str(out / "gru-seed1.hyp")]
    plain = subprocess.run([*command, "-tok", "none", "--force", "-b", "-w", "6"], capture_output=True, text=True)
    score = evaluated["scores"]["models"]["gru"]["bleu_tok"]["value"]
    assert f"{score:.6f}" == plain.stdout.strip()


def test_tables_figures_and_provenance_are_written(runs, evaluated):
    out = runs / "runs" / "little" / "evaluation" / "test"
    assert (out / "tables.md").read_text() == tables_and_origin(evaluated)
    assert {path.name for path in out.glob("*.png")} == {
        "length_nats_per_token.png",
        "length_nats_per_token_joined2.png",
        "length_bleu.png",
        "length_bleu_joined2.png",
    }
    assert {"command", "commit", "versions", "hardware"} <= evaluated.keys()
    assert evaluated["corpus"]["n"] == 9
    assert "tok:none" in evaluated["signatures"]["bleu_tok"]


def test_the_tables_say_which_scores_are_teacher_forced(evaluated):
    tables = evaluation_tables(evaluated)
    head, _, rest = tables.partition("Translated freely: beam search with 2 hypotheses")
    assert "Teacher-forced" in head
    assert "nats/token" in head
    assert "BLEU" not in head
    assert "| GRU + attention   |  1, 2 |" in rest


def test_joined_sentences_beyond_training_are_kept_apart(evaluated):
    (joined,) = evaluated["concatenated"]
    assert (joined["k"], joined["n"]) == (2, 4)
    longest = evaluated["corpus"]["longest_training_source_words"]
    for band in joined["scores"]["by_length"]:
        assert band["beyond_training"] == (band["low"] > longest)


def test_links_from_a_file_are_scored(runs, tmp_path):
    evaluate(runs / "runs/little/transformer/seed1", "--beam", 1, "--links", runs / "gold.txt", "--out", tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["alignment"]["baselines"]["one link per word"]["error_rate"]["value"] < 0.05
    tables = (tmp_path / "tables.md").read_text()
    assert "AER per phenomenon" in tables
    assert "there is nothing to choose by" in tables
    assert "Shape of these maps" in tables
    assert "predicting (" not in tables
    attention = content["alignment"]["models"]["transformer"]["attention"]
    attention["num_pairs"] -= 1  # the words of one are others for its tokenizer
    assert f", predicting ({attention['num_pairs']} pairs)" in evaluation_tables(content)


def test_nothing_is_said_of_chosen_maps_where_no_model_has_any(runs, tmp_path):
    evaluate(runs / "runs/little/gru/seed1", "--beam", 1, "--links", runs / "gold.txt", "--out", tmp_path)
    tables = (tmp_path / "tables.md").read_text()
    assert "AER: 0 is perfect.\n" in tables
    assert "chosen" not in tables
    assert "Shape of" not in tables


def test_no_shape_of_attention_is_told_of_models_without_it(runs, tmp_path):
    evaluate(runs / "runs/little/gru/seed1", "--beam", 1, "--out", tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text())["attention"] == {"gru": None}
    assert "Shape of" not in (tmp_path / "tables.md").read_text()


def test_any_two_files_can_be_scored(runs, tmp_path):
    src, ref = runs / "little" / "val.en", runs / "little" / "val.de"
    evaluate(
        *(runs / "runs/little/gru/seed1/checkpoints/best.ckpt", "--beam", 1),
        *("--src", src, "--ref", ref, "--out", tmp_path),
    )
    content = json.loads((tmp_path / "evaluation.json").read_text())
    hypotheses = (tmp_path / "gru-seed1.hyp").read_text().split("\n")[:-1]
    references = ref.read_text().split("\n")[:-1]
    expected = sacrebleu.corpus_bleu(hypotheses, [references], force=True).score
    assert content["scores"]["models"]["gru"]["bleu"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{runs}/nowhere"], "holds no finished run and is no checkpoint; train one first"),
        (["{runs}/little", "--src", "a"], "--src and --ref belong together"),
        (["{runs}/little", "--beam", "0"], "need 1 ≤ --nbest ≤ --beam ≤ 1000, not .* --beam 0"),
        (["{runs}/little", "--alpha", "nan"], "--alpha is nan"),
        (["{runs}/little", "--concatenate", "0"], "--concatenate is 0; expected at least 1"),
        (["{runs}/little", "--corpus", "toy", "--src", "a", "--ref", "b"], "not both"),
        (["{runs}/little", "--languages", "de-en", "--src", "a", "--ref", "b"], "--languages are those of a corpus"),
        (["{runs}/little", "--corpus", "no such"], "no corpus 'no such'"),
        (["{runs}/little", "--languages", "en"], "expected two, like en-de"),
        (["{runs}/little", "--split", "val", "--src", "a", "--ref", "b"], "--split is one of a corpus"),
        (["{runs}/little", "--val_links", "x"], "--val_links needs --links"),
        (["{of_seed_1}", "--corpus", "{runs}", "--out", "x", "--links", "y"], "earlier evaluations hold no word links"),
        (["{runs}/little/gru", "--links", "{short}"], "has 1 lines for 9 sentences"),
        (["{runs}/little/gru", "--links", "{outside}"], r"line 1: link 99-0 is outside a pair of"),
        (["{runs}/little/gru", "--links", "{outside_tgt}"], r"line 1: link 0-99 is outside a pair of"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_scored(runs, of_seed_1, tmp_path, arguments, message):
    (tmp_path / "short").write_text("0-0\n")
    (tmp_path / "outside").write_text("99-0\n" + "\n" * 8)
    (tmp_path / "outside_tgt").write_text("0-99\n" + "\n" * 8)
    names = {"runs": runs / "runs", "of_seed_1": of_seed_1}
    names |= {name: tmp_path / name for name in ("short", "outside", "outside_tgt")}
    with pytest.raises(UserError, match=message):
        evaluate(*[argument.format(**names) for argument in arguments])


def test_links_of_validation_choose_the_map_that_is_read(runs, tmp_path):
    (tmp_path / "val").write_text("0-0\n" * 5)
    links = ["--links", runs / "gold.txt", "--val_links", tmp_path / "val"]
    evaluate(runs / "runs/little/transformer", "--beam", 1, *links, "--out", tmp_path / "out")
    attention = json.loads((tmp_path / "out/evaluation.json").read_text())["alignment"]["models"]["transformer"]
    chosen = attention["attention"]["on_validation"]
    assert len(chosen) == 2 * (1 + 2 * (1 + 2))  # in both readings the mean of all, and of two layers mean and heads
    assert "Layer, head and step were chosen on validation" in (tmp_path / "out/tables.md").read_text()


def test_the_same_run_given_twice_is_refused(runs):
    run_folder = runs / "runs" / "little" / "gru" / "seed1"
    with pytest.raises(UserError, match="two of the runs are gru, seed 1; give one another name"):
        evaluate(run_folder, run_folder / "checkpoints" / "best.ckpt")


def test_runs_of_one_model_stand_side_by_side_by_names_of_their_own(runs, tmp_path):
    wide = write_run(tmp_path / "runs", runs / "little", "gru", d_model=20)
    ours = runs / "runs/little/gru/seed1"
    alone = tmp_path / "alone=1.ckpt"  # its whole name, since it is there
    shutil.copyfile(ours / "checkpoints" / "best.ckpt", alone)
    out = tmp_path / "out"
    evaluate(ours, f"wide={wide}", f"same={alone}", "--corpus", runs / "little", "--beam", 1, "--out", out)
    scores = json.loads((out / "evaluation.json").read_text())["scores"]
    of = {name: scores["models"][name]["nats_per_token"]["value"] for name in ("gru", "same", "wide")}
    assert of["gru"] == of["same"] != of["wide"]
    assert {frozenset((d["ours"], d["theirs"])) for d in scores["differences"]} == {
        frozenset(two) for two in itertools.combinations(of, 2)
    }
    assert (out / "wide-seed1.hyp").is_file()
    assert given_run(str(alone)) == (None, alone)
    with pytest.raises(UserError, match="wide is a name for this evaluation only; say where its results go: --out"):
        evaluate(ours, f"wide={wide}")
    with pytest.raises(UserError, match="is an earlier evaluation, whose runs keep their names; leave out other="):
        evaluate(ours, f"other={out}", "--out", tmp_path / "more")
    with pytest.raises(UserError, match="holds gru, gru_attention, transformer; mine= can be the name of one only"):
        evaluate(f"mine={runs / 'runs/little'}", "--out", tmp_path / "more")
    with pytest.raises(UserError, match=r"lr=0\.1/run holds no finished run"):
        evaluate("../lr=0.1/run")


def test_a_corpus_that_changed_since_training_is_refused(runs, tmp_path):
    write_text_corpus(tmp_path / "little")
    folder = write_run(tmp_path / "runs", tmp_path / "little", "gru")
    path = tmp_path / "little" / "test.de"
    path.write_text(path.read_text().replace("der", "das", 1))
    with pytest.raises(UserError, match="was trained on another text than little holds now"):
        evaluate(folder)


def test_one_text_that_was_given_by_two_paths_is_one_corpus(runs, tmp_path):
    write_text_corpus(tmp_path / "little")
    folders = [write_run(tmp_path / "runs", tmp_path / "little", model) for model in ("gru", "transformer")]
    config = folders[1] / "config.yaml"
    config.write_text(config.read_text().replace(f"{tmp_path}/little", f"{tmp_path}/./little"))
    evaluate(tmp_path / "runs", "--beam", 1)
    content = json.loads((folders[0].parent.parent / "evaluation/test/evaluation.json").read_text())
    assert list(content["scores"]["models"]) == ["gru", "transformer"]


def test_two_texts_by_one_name_are_not_scored_into_one_folder(tmp_path):
    for name in ("a", "b"):
        write_text_corpus(tmp_path / name / "little")
    (tmp_path / "b" / "little" / "val.en").write_text("a cat .\n" * 5)
    for name, model in (("a", "gru"), ("b", "transformer")):
        write_run(tmp_path / "runs", tmp_path / name / "little", model)
    with pytest.raises(UserError, match="2 texts that go by one name"):
        evaluate(tmp_path / "runs", "--beam", 1)


@pytest.mark.parametrize("cut_off", ["write_scores", "write_json"])
def test_an_evaluation_that_is_cut_off_leaves_the_one_before_as_it_was(runs, tmp_path, monkeypatch, cut_off):
    run_folder = runs / "runs" / "little" / "gru" / "seed1"
    evaluate(run_folder, "--beam", 2, "--out", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(f"scripts.evaluate.{cut_off}", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit):
            evaluate(run_folder, "--beam", 1, "--out", tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    evaluate(run_folder, "--beam", 1, "--out", tmp_path)
    assert before.keys() == {path.name for path in tmp_path.iterdir()}
    assert json.loads((tmp_path / "evaluation.json").read_text())["search"]["beam"] == 1


def test_an_evaluation_that_is_stopped_leaves_nothing_behind(tmp_path):
    def stopped() -> None:
        with staging(tmp_path) as staged:
            (staged / "tables.md").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not list(tmp_path.iterdir())
    with staging(tmp_path):  # nor the lock
        pass


def test_where_nothing_can_be_written_nothing_is_scored(runs, tmp_path, monkeypatch):
    (tmp_path / STAGED).touch()  # as good as a folder that is read-only, which nothing is for root
    monkeypatch.setattr("scripts.evaluate.evaluate_models", Mock(side_effect=AssertionError))
    with pytest.raises(OSError, match=STAGED):
        evaluate(runs / "runs/little/gru/seed1", "--out", tmp_path)


def test_two_evaluations_are_not_mixed_in_one_folder(runs, tmp_path):
    handle = lock(tmp_path)
    with pytest.raises(UserError, match="another evaluation is writing to"):
        evaluate(runs / "runs/little/gru/seed1", "--beam", 1, "--out", tmp_path)
    os.close(handle)
    evaluate(runs / "runs/little/gru/seed1", "--beam", 1, "--out", tmp_path)


def test_scores_on_another_corpus_leave_those_on_the_runs_own_alone(runs, tmp_path):
    write_text_corpus(tmp_path / "little")
    folder = write_run(tmp_path / "runs", tmp_path / "little", "gru")
    evaluate(folder, "--beam", 1)
    evaluation = folder.parent.parent / "evaluation"
    own = (evaluation / "test" / "evaluation.json").read_bytes()
    for other in (tmp_path / "other", tmp_path / "elsewhere" / "little"):  # another name, and another text of one name
        write_text_corpus(other)
        long = "the cat " * 40 + ".\n"
        (other / "train.en").write_text((other / "train.en").read_text().partition("\n")[2] + long)
        evaluate(folder, "--beam", 1, "--corpus", other)
    assert (evaluation / "test" / "evaluation.json").read_bytes() == own
    written = [json.loads(path.read_text())["corpus"] for path in sorted(evaluation.glob("test-*/evaluation.json"))]
    assert [corpus["name"] for corpus in written] == ["little", "other"]
    # How long the sentences of somebody else's training were says nothing of this model.
    assert [corpus["longest_training_source_words"] for corpus in written] == [None, None]


def test_scores_of_a_run_that_was_set_aside_leave_those_of_the_present_one_alone(tmp_path):
    write_text_corpus(tmp_path / "little")
    folder = write_run(tmp_path / "runs", tmp_path / "little", "gru")
    evaluate(folder, "--beam", 1)
    own = folder.parent.parent / "evaluation" / "test" / "evaluation.json"
    before = own.read_bytes()
    aside = folder.rename(folder.with_name("seed1.2026-11-28T16-00-00"))
    evaluate(aside, "--beam", 1)
    assert own.read_bytes() == before
    assert (own.parent.parent / f"test-gru-{aside.name}" / "evaluation.json").is_file()


def test_an_evaluation_of_fewer_runs_does_not_take_the_place_of_one_of_more(tmp_path):
    write_text_corpus(tmp_path / "little")
    folders = [write_run(tmp_path / "runs", tmp_path / "little", "gru", seed) for seed in (1, 2)]
    evaluate(tmp_path / "runs", "--beam", 1, "--concatenate", 2)
    out = folders[0].parent.parent / "evaluation" / "test"
    before = (out / "evaluation.json").read_bytes()
    with pytest.raises(UserError, match=r"has the scores of gru, seed 1; .* as well, which would be lost"):
        evaluate(folders[1], "--beam", 1)
    assert (out / "evaluation.json").read_bytes() == before
    with pytest.raises(UserError, match=r"scores of up to 2 sentences joined \(--concatenate 2\) as well"):
        evaluate(*folders, "--beam", 1)
    evaluate(*folders, "--beam", 1, "--concatenate", 2)  # all of them again
    evaluate(*folders, "--beam", 1, "--out", out)
    assert not list(out.glob("*joined*"))  # figures of the one before


def test_scores_of_links_are_not_lost(runs, tmp_path):
    write_text_corpus(tmp_path / "little")
    folder = write_run(tmp_path / "runs", tmp_path / "little", "gru_attention")
    evaluate(folder, "--beam", 1, "--links", runs / "gold.txt")
    with pytest.raises(UserError, match=r"has the scores of word links \(--links\) as well"):
        evaluate(folder, "--beam", 1)


@pytest.mark.parametrize("num_moved", [0, 1, 5])
def test_an_evaluation_that_was_killed_while_it_took_its_place_is_gone_on_with(tmp_path, monkeypatch, num_moved):
    """The one before is gone by then, and with it perhaps the only scores of its runs."""
    write_text_corpus(tmp_path / "little")
    folder, out = write_run(tmp_path / "runs", tmp_path / "little", "gru"), tmp_path / "out"
    evaluate(folder, "--beam", 1, "--out", out)
    before = {path.name: path.stat().st_ino for path in out.iterdir()}
    moved: list[Path] = []

    def move(self: Path, target: Path) -> Path:
        if self.parent.name == STAGED != target.parent.name:
            if len(moved) == num_moved:
                raise KeyboardInterrupt
            moved.append(self)
        return self.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", move)
        with pytest.raises(KeyboardInterrupt):
            evaluate(folder, "--beam", 1, "--out", out)
    assert not (out / "evaluation.json").exists()
    settle(out)
    now = {path.name: path.stat().st_ino for path in out.iterdir()}
    assert now.keys() == before.keys()
    assert not now.items() & before.items()
    assert evaluated_of(out).runs == [("gru", 1)]


def test_an_evaluation_that_came_since_the_plan_was_made_is_not_lost(tmp_path, monkeypatch):
    write_text_corpus(tmp_path / "little")
    folders = [write_run(tmp_path / "runs", tmp_path / "little", "gru", seed) for seed in (1, 2)]

    def slowly(options):
        made = plans(options)
        monkeypatch.setattr("scripts.evaluate.plans", plans)
        evaluate(folders[0], "--beam", 1)  # another terminal
        return made

    monkeypatch.setattr("scripts.evaluate.plans", slowly)
    with pytest.raises(UserError, match=r"has the scores of gru, seed 1 as well"):
        evaluate(folders[1], "--beam", 1)
    out = folders[0].parent.parent / "evaluation" / "test"
    assert evaluated_of(out).runs == [("gru", 1)]
    assert not (out / STAGED).exists()


def test_an_evaluation_that_another_process_moves_into_place_is_left_to_it(tmp_path):
    (tmp_path / STAGED).mkdir()
    for path in (tmp_path / "evaluation.json", tmp_path / STAGED / "evaluation.json"):
        path.write_text(str(path))
    handle = lock(tmp_path)
    settle(tmp_path)
    assert (tmp_path / "evaluation.json").read_text() == str(tmp_path / "evaluation.json")
    os.close(handle)
    settle(tmp_path)
    assert (tmp_path / "evaluation.json").read_text() == str(tmp_path / STAGED / "evaluation.json")
    assert not (tmp_path / STAGED).exists()


def test_scores_of_other_sentences_are_not_lost(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, text in (("a", "the dog sleeps .\n"), ("b", "the cat sleeps .\n")):
        (tmp_path / folder).mkdir()
        for side in ("en", "de"):
            (tmp_path / folder / f"test.{side}").write_text(text)
    checkpoint = runs / "runs" / "little" / "gru" / "seed1"
    evaluate(checkpoint, "--beam", 1, "--src", "a/test.en", "--ref", "a/test.de")
    evaluate(checkpoint, "--beam", 1, "--src", "a/test.en", "--ref", "a/test.de")  # the same sentences
    for src in "ba":  # by other references too
        with pytest.raises(UserError, match=r"runs/evaluation/test has scores of other sentences; write to another"):
            evaluate(checkpoint, "--beam", 1, "--src", f"{src}/test.en", "--ref", "b/test.de")


def test_a_language_may_have_a_hyphen_in_its_name(tmp_path):
    for split, size in (("train", 30), ("val", 3), ("test", 3)):
        for side in ("zh-CN", "de"):
            (tmp_path / "text").mkdir(exist_ok=True)
            (tmp_path / "text" / f"{split}.{side}").write_text(
                "\n".join(f"a sentence {n} ." for n in range(size)) + "\n"
            )
    corpus = load_corpus(str(tmp_path / "text"), "zh-CN", "de", tmp_path)
    write_text_corpus(tmp_path / "little")
    checkpoint = write_run(tmp_path / "runs", tmp_path / "little", "gru") / "checkpoints" / "best.ckpt"
    content = torch.load(checkpoint, weights_only=False)
    content["TranslationData"] |= {"src": "zh-CN", "tgt": "de", "content_hash": corpus.content_hash()}
    torch.save(content, checkpoint)
    evaluate(checkpoint, "--beam", 1, "--corpus", tmp_path / "text", "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["corpus"]["content_hash"] == corpus.content_hash()


def test_a_model_is_scored_in_the_direction_that_it_was_trained_for(tmp_path):
    write_text_corpus(tmp_path / "little")
    folders = [write_run(tmp_path / "runs", tmp_path / "little", model) for model in ("gru", "transformer")]
    checkpoint = folders[0] / "checkpoints" / "best.ckpt"
    content = torch.load(checkpoint, weights_only=False)
    content["TranslationData"] |= {"src": "de", "tgt": "en"}
    torch.save(content, checkpoint)
    evaluate(folders[0], "--beam", 1, "--corpus", tmp_path / "little", "--out", tmp_path / "out")
    turned = json.loads((tmp_path / "out/evaluation.json").read_text())["corpus"]["content_hash"]
    assert turned == load_corpus(str(tmp_path / "little"), "de", "en", tmp_path).content_hash()
    with pytest.raises(UserError, match="from de to en; evaluate those of one direction at a time"):
        evaluate(*folders, "--beam", 1, "--corpus", tmp_path / "little")


@pytest.fixture(scope="module")
def of_seed_1(runs):
    """A folder with the evaluation of seed 1 of every model."""
    out = runs / "of seed 1"
    evaluate(*sorted((runs / "runs" / "little").glob("*/seed1")), "--beam", 2, "--out", out)
    return out


def test_earlier_scores_stand_beside_new_ones_as_if_all_were_evaluated_together(runs, of_seed_1, tmp_path):
    evaluate(runs / "runs/little/gru_attention/seed2", of_seed_1, "--beam", 2, "--out", tmp_path / "both")
    evaluate(runs / "runs/little", "--beam", 2, "--out", tmp_path / "at once")
    both, at_once = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("both", "at once"))
    assert both["scores"] == at_once["scores"]
    assert both["attention"] == at_once["attention"]
    assert [(run["model"], run["seed"]) for run in both["earlier"]] == [
        ("gru", 1),
        ("gru_attention", 1),
        ("transformer", 1),
    ]
    assert both["earlier"][0]["command"] == json.loads((of_seed_1 / "evaluation.json").read_text())["command"]
    for name in ("gru-seed1.hyp", "gru-seed1.jsonl", "gru_attention-seed2.jsonl"):
        assert (tmp_path / "both" / name).read_text() == (tmp_path / "at once" / name).read_text()


def test_earlier_scores_of_earlier_scores_keep_where_they_are_from(runs, of_seed_1, tmp_path):
    evaluate(runs / "runs/little/gru_attention/seed2", of_seed_1, "--beam", 2, "--out", tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    content["command"] = "another"
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    run_folder = write_run(tmp_path / "runs", runs / "little", "gru", 2)
    evaluate(run_folder, tmp_path, "--beam", 2, "--out", tmp_path / "again")
    earlier = json.loads((tmp_path / "again" / "evaluation.json").read_text())["earlier"]
    commands = {(run["model"], run["seed"]): run["command"] for run in earlier}
    assert commands.pop(("gru_attention", 2)) == "another"
    assert "another" not in commands.values()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "holds translations by another search; .* give --beam 2 --alpha 1"),
        (["--beam", "2", "--split", "val"], "holds scores of other sentences"),
        (["--beam", "2", "--concatenate", "2"], "holds scores of single sentences only, not of joined sentences"),
        (["--beam", "2", "--links", "{gold}"], "holds scores of single sentences only, not of word links"),
        (["{runs}/transformer/seed1", "--beam", "2"], "two of the runs are transformer, seed 1"),
    ],
)
def test_earlier_scores_that_do_not_belong_to_new_ones_are_refused(runs, of_seed_1, arguments, message):
    given = [argument.format(gold=runs / "gold.txt", runs=runs / "runs/little") for argument in arguments]
    with pytest.raises(UserError, match=message):
        evaluate(runs / "runs/little/gru_attention/seed2", of_seed_1, *given)


def test_earlier_scores_of_another_tokenizer_are_refused_before_anything_is_scored(
    runs, of_seed_1, tmp_path, monkeypatch
):
    shutil.copytree(of_seed_1, tmp_path / "earlier")
    scores = tmp_path / "earlier" / "gru_attention-seed1.jsonl"
    rows = read_json_lines(scores)
    write_json_lines(scores, [row | {"tokens": row["tokens"] + 1} for row in rows])
    monkeypatch.setattr("scripts.evaluate.evaluate_models", Mock(side_effect=AssertionError("scored")))
    with pytest.raises(UserError, match=r"the runs of gru_attention \(seeds 2, 1\) have different tokenizers"):
        evaluate(runs / "runs/little/gru_attention/seed2", tmp_path / "earlier", "--beam", 2)


def test_seeds_of_two_networks_are_refused_before_anything_is_scored(runs, tmp_path, monkeypatch):
    shutil.copytree(runs / "runs" / "little" / "gru_attention", tmp_path / "little" / "gru_attention")
    checkpoint = tmp_path / "little" / "gru_attention" / "seed2" / "checkpoints" / "best.ckpt"
    content = torch.load(checkpoint, weights_only=False)
    content["hyper_parameters"]["network"]["init_args"]["dropout"] = 0.5
    torch.save(content, checkpoint)
    monkeypatch.setattr("scripts.evaluate.evaluate_models", Mock(side_effect=AssertionError("scored")))
    with pytest.raises(UserError, match=r"gru_attention, seeds 1 and 2, have different networks \(dropout\)"):
        evaluate(tmp_path / "little", "--beam", 2)


def test_an_earlier_evaluation_of_another_network_is_refused(runs, of_seed_1, tmp_path, monkeypatch):
    shutil.copytree(of_seed_1, tmp_path / "earlier")
    kept = tmp_path / "earlier" / "evaluation.json"
    content = json.loads(kept.read_text())
    content["networks"]["gru_attention"][0]["init_args"]["d_model"] = 99
    kept.write_text(json.dumps(content))
    monkeypatch.setattr("scripts.evaluate.evaluate_models", Mock(side_effect=AssertionError("scored")))
    with pytest.raises(UserError, match=r"gru_attention, seeds 2 and 1, have different networks \(d_model\)"):
        evaluate(runs / "runs/little/gru_attention/seed2", tmp_path / "earlier", "--beam", 2)


def test_an_evaluation_of_a_version_that_kept_no_networks_still_stands_beside_new_ones(runs, of_seed_1, tmp_path):
    shutil.copytree(of_seed_1, tmp_path / "earlier")
    kept = tmp_path / "earlier" / "evaluation.json"
    content = json.loads(kept.read_text())
    (network,) = content.pop("networks")["gru_attention"]
    kept.write_text(json.dumps(content))
    new = runs / "runs/little/gru_attention/seed2"
    evaluate(new, tmp_path / "earlier", "--beam", 2, "--out", tmp_path / "both")
    both = json.loads((tmp_path / "both" / "evaluation.json").read_text())["networks"]
    assert both == {"gru": [None], "gru_attention": [None, network], "transformer": [None]}


def test_an_evaluation_that_cannot_be_read_is_not_overwritten(runs, tmp_path):
    shutil.copytree(runs / "runs" / "little" / "gru", tmp_path / "little" / "gru")
    before = tmp_path / "little" / "evaluation" / "test" / "evaluation.json"
    before.parent.mkdir(parents=True)
    for text, error in (('{"corpus": {}}', "KeyError"), ("{", "JSONDecodeError")):
        before.write_text(text)
        with pytest.raises(UserError, match=rf"evaluation/test has an evaluation that cannot be read \({error}"):
            evaluate(tmp_path / "little", "--beam", 1)
        assert before.read_text() == text


def test_what_is_wrong_with_one_corpus_is_said_before_another_is_scored(tmp_path, monkeypatch):
    for name in ("a", "b"):
        write_text_corpus(tmp_path / name)
        (tmp_path / name / "val.en").write_text(f"{name} cat .\n" * 5)
        write_run(tmp_path / "runs", tmp_path / name, "gru")
    evaluate(tmp_path / "runs/b", "--beam", 1)
    kept = tmp_path / "runs/b/evaluation/test/evaluation.json"
    kept.write_text(kept.read_text().replace('"sentences_hash": "', '"sentences_hash": "0'))
    monkeypatch.setattr("scripts.evaluate.evaluate_models", Mock(side_effect=AssertionError("scored")))
    with pytest.raises(UserError, match=r"b/evaluation/test has scores of other sentences"):
        evaluate(tmp_path / "runs", "--beam", 1)


def test_earlier_scores_alone_are_put_together_where_their_corpus_is_said(runs, of_seed_1, tmp_path):
    evaluate(runs / "runs/little/gru_attention/seed2", "--beam", 2, "--out", tmp_path / "of seed 2")
    with pytest.raises(UserError, match="say of which corpus they are, and where to: --corpus, --out"):
        evaluate(of_seed_1, tmp_path / "of seed 2")
    evaluate(of_seed_1, tmp_path / "of seed 2", "--beam", 2, "--corpus", runs / "little", "--out", tmp_path / "both")
    evaluate(runs / "runs/little", "--beam", 2, "--out", tmp_path / "at once")
    both, at_once = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("both", "at once"))
    for part in ("corpus", "scores", "attention"):
        assert both[part] == at_once[part]


@pytest.mark.parametrize("broken", ["gone", "short", "reordered", "old"])
def test_earlier_scores_that_are_not_whole_are_refused(runs, of_seed_1, tmp_path, broken):
    folder = tmp_path / "earlier"
    shutil.copytree(of_seed_1, folder)
    scores = folder / "gru-seed1.jsonl"
    if broken == "gone":
        scores.unlink()
    elif broken == "short":
        scores.write_text(scores.read_text().partition("\n")[2])
    elif broken == "reordered":
        for path in (scores, scores.with_suffix(".hyp")):
            path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    else:
        content = json.loads((folder / "evaluation.json").read_text())
        del content["earlier"]
        (folder / "evaluation.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="evaluate its runs again"):
        evaluate(runs / "runs/little/gru_attention/seed2", folder, "--beam", 2)
