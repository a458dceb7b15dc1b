"""Tables are made from JSON, and finished runs and claims are published."""

import json
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from pipeline.ablation_table import _COMMON
from pipeline.claims_table import claims_table, verdicts_table
from pipeline.errors import UserError
from pipeline.markdown_blocks import joined_rows, markdown_table
from pipeline.report import length_table, means_over_seeds, results_table, run_labels, short_commit, what_is_equal
from scripts.publish import publish, publish_ablation, publish_claims
from tests.documents import cells
from tests.made_up_results import claim, results


def test_models_stand_in_the_order_of_the_lesson_with_their_numbers():
    lines = results_table([results("transformer"), results("gru")]).splitlines()
    assert lines[2].startswith("| GRU, no attention")
    assert lines[3].startswith("| Transformer")
    assert "1,234,567" in lines[2]
    assert "2.11 M" in lines[2]
    assert "98.7 %" in lines[2]


def test_runs_of_one_model_and_seed_are_named_by_what_is_their_own_of_their_paths():
    found = [results("transformer")] + [results("gru") | {"run": f"a/{name}/gru/seed1"} for name in ("b/c", "d")]
    assert run_labels(found) == [
        "Transformer",
        "GRU, no attention, seed 1 (b/c)",
        "GRU, no attention, seed 1 (d)",
    ]
    aside = [results("gru") | {"run": Path("runs/toy/gru") / name} for name in ("seed1", "seed1.2026-11-28T16-00-00")]
    assert [label.partition("(")[2] for label in run_labels(aside)] == ["seed1)", "seed1.2026-11-28T16-00-00)"]


def test_several_seeds_of_a_model_are_one_row_of_means():
    runs = [
        results("transformer"),
        *(results("gru", bleu=bleu) | {"seed": seed} for seed, bleu in ((3, 21.0), (1, 20))),
    ]
    runs[1]["steps"] = 4001
    runs[1]["test"]["by_source_length"] = [band | {"exact_match": 0.25} for band in runs[1]["test"]["by_source_length"]]
    means = means_over_seeds(runs)
    rows = [cells(line) for line in results_table(means).splitlines()]
    assert rows[0][:4] == ["model", "seeds", "parameters", "steps"]
    assert rows[2][:4] == ["GRU, no attention", "1, 3", "1,234,567", "4,000"]
    assert "20.5 ± 0.7" in rows[2]
    assert rows[3][:2] == ["Transformer", "1"]
    assert "91.2" in rows[3]
    by_length = [cells(line) for line in length_table(means, "exact_match").splitlines()]
    assert by_length[2:4] == [["sentences", "4", "2"], ["GRU, no attention", "50.0 %", "37.5 %"]]


def test_runs_of_one_seed_each_have_no_column_of_seeds():
    runs = [results("gru"), results("transformer")]
    assert results_table(means_over_seeds(runs)) == results_table(runs)


def test_batches_are_compared_within_each_seed():
    def order(model: str, seed: int, batches: str) -> dict:
        return results(model) | {"seed": seed, "batch_order_hash": batches, "initial_weights_hash": model + str(seed)}

    runs = [order("gru", 1, "aaaa"), order("gru", 2, "bbbb"), order("transformer", 1, "aaaa")]
    assert what_is_equal(runs) == ["Same batches in the same order: all of a seed (aaaa, bbbb)."]
    assert what_is_equal([*runs, order("transformer", 2, "aaaa")])[-1].endswith("order: no, they differ.")
    assert what_is_equal(runs[::2])[-1].endswith("order: all (aaaa).")


def test_an_empty_band_is_left_out_of_the_table_of_lengths():
    header, _, *rows = map(cells, length_table([results("gru")], "exact_match").splitlines())
    assert header == ["source words", "1–10", "21+"]
    assert rows == [["sentences", "4", "2"], ["GRU, no attention", "75.0 %", "50.0 %"]]


def test_rows_that_differ_in_their_first_cell_only_are_one_row():
    rows = [["C1", "a", "x"], ["C2", "b", "x"], ["C3", "a", "x"], ["C4", "a", "y"]]
    assert joined_rows(rows) == [["C1; C3", "a", "x"], ["C2", "b", "x"], ["C4", "a", "y"]]


def test_a_column_of_single_digits_is_a_column_of_numbers_in_markdown():
    assert markdown_table(["a", "n"], [["x", "1"]]).splitlines()[1] == "| -- | -: |"


def test_a_markdown_table_is_aligned():
    lines = markdown_table(["a", "long"], [["x", "1"]]).splitlines()
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("commit", "short"),
    [("0123456789abcdef", "0123456789"), ("0123456789abcdef+changes", "0123456789+changes"), (None, "unknown")],
)
def test_a_short_commit_still_says_that_files_were_changed(commit, short):
    assert short_commit(commit) == short


def evaluation_of(nats: float) -> str:
    return json.dumps({"scores": {"models": {"gru": {"seeds": [1], "nats_per_token": {"per_seed": [nats]}}}}})


def test_publishing_copies_results_and_only_figures_without_foreign_sentences(tmp_path):
    for name, synthetic in (("toy", True), ("captions", False)):
        run = tmp_path / "runs" / name / "gru" / "seed1"
        figures = tmp_path / "runs" / name / "comparison" / "seed1"
        evaluation = tmp_path / "runs" / name / "evaluation" / "test"
        for folder in (run, figures, evaluation):
            folder.mkdir(parents=True)
        for path in ("tables.md", "length_bleu.png", "gru-seed1.hyp", "gru-seed1.jsonl", "gru-seed2.hyp", "other.txt"):
            (evaluation / path).write_bytes(b"")
        (evaluation / "evaluation.json").write_text(evaluation_of(results("gru")["nats_per_token"]["test"]))
        stale = tmp_path / "results" / name / "evaluation" / "transformer-seed1.hyp"
        stale.parent.mkdir(parents=True)
        stale.touch()
        with SummaryWriter(str(run)) as writer:
            for step, value in ((10, 3.5), (20, 2.5)):
                writer.add_scalar("loss/val", value, step)
                writer.add_scalar("loss/train", value, step)
        content = results("gru") | {"corpus": {"name": name, "is_synthetic": synthetic, "content_hash": name}}
        (run / "results.json").write_text(json.dumps(content))
        for figure in ("length.png", "alignment_1.png"):
            (figures / figure).write_bytes(b"")
        publish(sorted(run.parent.parent.glob("*/seed1")), tmp_path / "results")
    shared = {"gru-seed1.json", "length.png", "curves", "evaluation"}
    assert {p.name for p in (tmp_path / "results/toy").iterdir()} == {*shared, "alignment_1.png"}
    captions = tmp_path / "results/captions"
    assert {p.name for p in captions.iterdir()} == shared
    assert json.loads((captions / "curves/gru-seed1.json").read_text()) == {"loss/val": [[10, 3.5], [20, 2.5]]}
    kept = {"evaluation.json", "tables.md", "length_bleu.png", "gru-seed1.hyp", "gru-seed1.jsonl"}
    assert {p.name for p in (captions / "evaluation").iterdir()} == kept


def finished(folder: Path, content: dict) -> Path:
    run = folder / "runs" / "toy" / content["model"] / "seed1"
    run.mkdir(parents=True)
    (run / "results.json").write_text(json.dumps(content))
    with SummaryWriter(str(run)) as writer:
        writer.add_scalar("loss/val", 2.5, 10)
    return run


def test_a_run_without_its_curves_replaces_no_published_ones(tmp_path):
    run = finished(tmp_path, results("gru"))
    publish([run], tmp_path / "results")
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}
    for events in run.glob("events*"):
        events.unlink()
    (run / "results.json").write_text(json.dumps(results("gru") | {"steps": 1}))
    with pytest.raises(UserError, match=r"has no curve of loss/val: copy its event files"):
        publish([run], tmp_path / "results")
    assert before == {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}


def test_publishing_that_fails_in_the_middle_of_a_file_leaves_the_one_before(tmp_path, monkeypatch):
    run = finished(tmp_path, results("gru"))
    publish([run], tmp_path / "results")
    before = (tmp_path / "results/toy/gru-seed1.json").read_bytes()

    def fill_the_disk(source: Path, target: Path) -> None:
        target.write_bytes(b"{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        publish([run], tmp_path / "results")
    assert (tmp_path / "results/toy/gru-seed1.json").read_bytes() == before


def test_an_evaluation_of_weights_that_are_gone_is_not_published(tmp_path):
    run = finished(tmp_path, results("gru"))
    folder = tmp_path / "runs" / "toy" / "evaluation" / "test"
    folder.mkdir(parents=True)
    for content in (evaluation_of(0.31), evaluation_of(0.3).replace("gru", "transformer")):
        (folder / "evaluation.json").write_text(content)
        with pytest.raises(UserError, match=r"is not of .*gru/seed1 as it is now \(0\.300 nats"):
            publish([run], tmp_path / "results")
    assert not (tmp_path / "results" / "toy").exists()


def test_what_is_published_is_not_lost_to_a_run_that_comes_later(tmp_path):
    results_folder = tmp_path / "results"
    first = finished(tmp_path / "first", results("gru"))
    evaluation = write_evaluation(first, {"gru": 0.3, "transformer": 0.3})
    write_figure(first, b"of both")
    publish([first, finished(tmp_path / "first", results("transformer"))], results_folder)
    natural = results("my own")
    natural["corpus"]["is_synthetic"] = False
    later = finished(tmp_path / "later", natural)
    write_figure(later, b"of one")
    publish([later], results_folder)
    assert (results_folder / "toy" / "length.png").read_bytes() == b"of both"
    new = write_evaluation(later, {"my own": 0.3}).parent
    advice = f"put them together with python -m scripts.evaluate {new} {results_folder}/toy/evaluation --corpus FOLDER"
    with pytest.raises(
        UserError, match=rf"has not gru, seed 1; transformer, seed 1; {advice} --beam 5 --alpha 1.4 --out {new}, or"
    ):
        publish([later], results_folder)
    natural["corpus"]["is_synthetic"] = True  # which has word links: kept scores are refused beside them
    (later / "results.json").write_text(json.dumps(natural))
    with pytest.raises(
        UserError, match="has not gru, seed 1; transformer, seed 1; evaluate all of these runs together"
    ):
        publish([later], results_folder)
    assert (results_folder / "toy" / "evaluation" / "evaluation.json").read_bytes() == evaluation.read_bytes()
    again = finished(tmp_path / "again", results("gru"))
    write_evaluation(again, {"gru": 0.3})
    with pytest.raises(UserError, match="has not transformer, seed 1; evaluate all of these runs together again"):
        publish([again], results_folder)


def test_two_evaluations_of_one_corpus_are_not_published_over_each_other(tmp_path):
    runs = [finished(tmp_path / model, results(model)) for model in ("gru", "transformer")]
    for run, model in zip(runs, ("gru", "transformer"), strict=True):
        write_evaluation(run, {model: 0.3})
    with pytest.raises(UserError, match="are of one corpus, and one evaluation of it is published"):
        publish(runs, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_an_evaluation_that_stays_is_of_the_runs_that_come(tmp_path):
    run = finished(tmp_path, results("gru"))
    write_evaluation(run, {"gru": 0.3})
    publish([run], tmp_path / "results")
    again = results("gru") | {"nats_per_token": {"train": 0.1, "val": 0.2, "test": 0.25}}
    with pytest.raises(UserError, match=r"results/toy/evaluation is not of .*gru/seed1 as it is now \(0\.250 nats"):
        publish([finished(tmp_path / "again", again)], tmp_path / "results")


def write_evaluation(run: Path, nats: dict[str, float]) -> Path:
    path = run.parent.parent / "evaluation" / "test" / "evaluation.json"
    path.parent.mkdir(parents=True)
    models = {model: {"seeds": [1], "nats_per_token": {"per_seed": [value]}} for model, value in nats.items()}
    path.write_text(json.dumps({"scores": {"models": models}, "search": {"beam": 5, "alpha": 1.4}}))
    return path


def write_figure(run: Path, content: bytes) -> None:
    path = run.parent.parent / "comparison" / "seed1" / "length.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_runs_of_two_recipes_do_not_come_into_one_table(tmp_path):
    models = ("gru", "transformer")
    old = [finished(tmp_path / "old", results(model)) for model in models]
    new = [finished(tmp_path / "new", results(model) | {"batch_order_hash": "others"}) for model in models]
    publish(old, tmp_path / "results")
    with pytest.raises(UserError, match="gru, transformer of toy, seed 1, were not trained on the same batches"):
        publish(new[:1], tmp_path / "results")
    publish(new, tmp_path / "results")
    published = json.loads((tmp_path / "results/toy/gru-seed1.json").read_text())
    assert published["batch_order_hash"] == "others"


def test_seeds_of_a_model_that_is_not_the_same_do_not_come_into_one_mean(tmp_path):
    publish([finished(tmp_path / "old", results("gru") | {"seed": 2})], tmp_path / "results")
    larger = finished(tmp_path / "new", results("gru") | {"parameters": 2_000_000})
    with pytest.raises(UserError, match=r"gru of toy .* \(seed 1: 2,000,000, seed 2: 1,234,567\)"):
        publish([larger], tmp_path / "results")
    (tmp_path / "results/toy/gru-seed2.json").unlink()
    publish([larger], tmp_path / "results")


def test_runs_of_two_texts_that_go_by_one_name_do_not_come_into_one_table(tmp_path):
    publish([finished(tmp_path / "old", results("gru") | {"seed": 2})], tmp_path / "results")
    lower_cased = results("gru")
    lower_cased["corpus"]["content_hash"] = "cd" * 32
    with pytest.raises(UserError, match="gru, seed 1; gru, seed 2 of toy were not trained on the same text"):
        publish([finished(tmp_path / "new", lower_cased)], tmp_path / "results")


def test_of_several_seeds_the_figure_of_the_lowest_is_published(tmp_path):
    runs = []
    for seed in (1, 2):
        run = finished(tmp_path / str(seed), results("gru") | {"seed": seed})
        write_figure(run, f"of seed {seed}".encode())
        runs.append(run)
    for given in (runs, runs[::-1]):
        publish(given, tmp_path / "results")
        assert (tmp_path / "results/toy/length.png").read_bytes() == b"of seed 1"


def test_two_runs_of_one_seed_do_not_replace_each_other(tmp_path):
    runs = [finished(tmp_path / name, results("gru")) for name in ("old", "new")]
    with pytest.raises(UserError, match="two of the runs are gru of toy, seed 1"):
        publish(runs, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_an_unfinished_run_is_not_published(tmp_path):
    with pytest.raises(UserError, match="not finished"):
        publish([tmp_path], tmp_path / "results")


def test_published_claims_make_one_table_with_the_order_of_models_last(tmp_path):
    (tmp_path / "claims").mkdir()
    for name, verdict in (("C0", "holds"), ("C2", "holds in part")):
        (tmp_path / "claims" / f"{name}.json").write_text(json.dumps(claim(name, verdict)))
        (tmp_path / "claims" / f"{name}.png").write_bytes(b"")
    publish_claims(tmp_path / "claims", tmp_path / "results")
    lines = (tmp_path / "results" / "claims" / "claims.md").read_text().splitlines()
    assert [cells(line)[0] for line in lines[2:4]] == ["C2 Title", "C0 Title"]
    assert "**holds in part**" in lines[2]
    assert "a \\|difference\\|: 1.5 [1, 2]" in lines[2]
    assert "1.5 [1, 2], p 0.020" in "".join(lines)
    assert "Profile quick, commit `0123456789`, a processor, 1 thread(s)." in lines


def test_the_effect_beside_a_verdict_is_one_that_decided_it():
    content = claim("C1", "fails")
    finding = content["findings"][0]
    exact = finding | {"what": "exact", "low": None, "high": None, "p_value": None}
    missing = exact | {"what": "missing", "outcome": "missing", "is_primary": False}
    content["findings"] = [exact, finding, finding | {"what": "contrary", "outcome": "fails"}, missing]
    shown = lambda verdict: verdicts_table([content | {"verdict": verdict}]).splitlines()[2]  # noqa: E731
    assert "| contrary: 1.5" in shown("fails")
    assert "| a \\|difference\\|: 1.5" in shown("holds")  # not the exact one
    assert cells(shown("fails"))[2:5] == ["2", "1", "1"]  # pass, fail, undecided
    content["findings"].append(finding | {"what": "not sure", "outcome": "undecided"})
    assert "| not sure: 1.5" in shown("undecided")


@pytest.mark.parametrize(
    ("n", "seeds", "shown"), [(None, None, "–"), (1, 3, "3"), (200, 3, "3 × 200"), (3, 3, "3 × 3"), (20, 1, "1 × 20")]
)
def test_the_table_says_over_what_an_interval_is(n, seeds, shown):
    content = claim("C1", "holds")
    content["findings"][0] |= {"n": n, "seeds": seeds}
    (line,) = (line for line in claims_table([content]).splitlines() if line.startswith("| **a"))
    assert cells(line)[-3] == shown


def test_a_claim_whose_figure_was_not_drawn_is_not_published(tmp_path):
    (tmp_path / "C1.json").write_text(json.dumps(claim("C1", "holds")))
    with pytest.raises(UserError, match=r"C1.json has no figure beside it"):
        publish_claims(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_primary_finding_that_passes_by_its_own_interval_only_is_called_weak():
    first, second = claim("C1", "holds"), claim("C2", "holds")
    for content in (first, second):
        content["findings"][0]["p_value"] = 0.03
    assert "Weak" not in claims_table([first])
    twice = claims_table([first, second])
    assert twice.count("Weak: “a |difference|” passes by its own interval") == 2
    assert "p 0.060" in twice


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"missing_jobs": ["a job"]}, "but 1 of its jobs failed"),
        ({"natural_text": None}, r"but was not tested on natural text \(TEXT=, --text\)"),
        ({"profile": "quick"}, r"but was tested by a smaller profile \(PROFILE=full, --profile full\)"),
    ],
)
def test_a_claim_with_less_behind_it_never_takes_the_place_of_one_with_more(tmp_path, now, message):
    whole = claim("C1", "holds") | {"profile": "full", "natural_text": {"corpus": "captions", "steps": 8}}
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("C0", "C1"):
        (folder / f"{name}.json").write_text(json.dumps(whole | {"claim": {**whole["claim"], "name": name}}))
        (folder / f"{name}.png").write_bytes(b"")
    publish_claims(folder, tmp_path / "results")
    before = {path.name: path.read_bytes() for path in (tmp_path / "results/claims").iterdir()}
    for name in ("C0", "C1"):  # the first one could take its place
        content = whole | {"verdict": "fails"} | (now if name == "C1" else {})
        (folder / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        publish_claims(folder, tmp_path / "results")
    assert {path.name: path.read_bytes() for path in (tmp_path / "results/claims").iterdir()} == before


def test_an_ablation_is_published_with_its_corpus(tmp_path):
    path = tmp_path / "ablation.json"
    with pytest.raises(UserError, match="is not there"):
        publish_ablation(path, tmp_path / "results")
    path.write_text("{}")
    with pytest.raises(UserError, match=r"ablation.json is broken \(it has no corpus, models\)"):
        publish_ablation(path, tmp_path / "results")
    of_model = lambda number: {"scores": number}  # noqa: E731
    content = {key: {} for key in (*_COMMON, "parts")} | {"corpus": {"name": "captions"}}
    path.write_text(json.dumps(content | {"models": {"transformer": of_model(1)}}))
    publish_ablation(path, tmp_path / "results")
    published = tmp_path / "results/captions/ablation.json"
    assert json.loads(published.read_text()) == json.loads(path.read_text())

    path.write_text(json.dumps(content | {"models": {"gru": of_model(2)}}))
    publish_ablation(path, tmp_path / "results")
    both = json.loads(published.read_text())
    assert both["models"] == {"gru": of_model(2), "transformer": of_model(1)}

    path.write_text(json.dumps(content | {"epochs": 9, "models": {"gru": of_model(3)}}))
    with pytest.raises(UserError, match=r"differs from this one in epochs; .* remove .*ablation.json"):
        publish_ablation(path, tmp_path / "results")
    assert json.loads(published.read_text()) == both


def test_no_claims_are_not_published(tmp_path):
    with pytest.raises(UserError, match="holds no claims; test them with make claims"):
        publish_claims(tmp_path, tmp_path / "results")
