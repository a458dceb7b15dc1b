"""What stands between marks is made from JSON, in the language of the mark."""

import json
import re
from pathlib import Path

import pytest

from pipeline.document_tables import NO_GPU, runs_made, scores, times, verdicts
from pipeline.documents import documents, exercises, read_claims, with_tables
from pipeline.errors import UserError
from pipeline.korean import CELLS, SAYS, SENTENCES, TITLES, in_korean
from pipeline.plots import MODEL_LABELS
from pipeline.published_scores import evaluated_scores, published_scores
from tests.commands import ROOT
from tests.documents import cells
from tests.made_up_results import claim, results


def run(model: str, seconds: float, gpu: str | None = None, **more) -> dict:
    corpus = {"name": "toy", "is_synthetic": True, "content_hash": "ab" * 32}
    hardware = {"gpu": gpu, "processor": "a processor", "threads": 2}
    made = {"command": "python -m scripts.train fit", "versions": {"torch": "2.13.0"}}
    return results(model) | {"seconds": seconds, "corpus": corpus, "hardware": hardware} | made | more


@pytest.fixture
def published(tmp_path) -> Path:
    """A results folder with two runs of the toy corpus, a claim, and a published score."""
    for folder in ("toy", "claims"):
        (tmp_path / folder).mkdir()
    for content in (run("gru", 90), run("gru_attention", 30)):
        (tmp_path / "toy" / f"{content['model']}-seed1.json").write_text(json.dumps(content))
    (tmp_path / "claims" / "C2.json").write_text(json.dumps(dated(claim("C2", "holds in part"))))
    others = {"system": "theirs", "year1": "33.7", "metric": "B-tok", "source": "a paper"}
    content = {"tests": {"year1": "test of year 1", "year2": "test of year 2"}, "results_test": "year1"}
    metrics = {"B-tok": "tokenised", "13a": "cased"}
    (tmp_path / "published.json").write_text(json.dumps(content | {"metrics": metrics, "systems": [others]}))
    return tmp_path


def dated(content: dict) -> dict:
    hardware = {"gpu": None, "processor": "a processor", "threads": 1}
    return content | {"command": "a | command", "date": "2000-01-31", "commit": None, "hardware": hardware}


@pytest.mark.parametrize(
    ("mark", "row"),
    [
        ("results:toy", ["GRU + attention", "1,234,567"]),
        ("made:toy", ["GRU + attention", "`0123456789`", "a processor, 2 thread(s)", "0.5 min", "`ababababab`"]),
        ("published:toy", ["theirs", "33.7", "B-tok", "a paper"]),
        ("claims:all", ["C2 Title", "Something.", "**holds in part**"]),
        ("made:claims", ["C2", "`a \\| command`", "quick", "`unknown`", "2000-01-31", "a processor, 1 thread(s)"]),
        ("times:all", ["toy", "a processor, 2 thread(s)", "1.5", "0.5", "–"]),
    ],
)
def test_each_mark_has_its_table_and_what_is_outside_stays(mark, row, published):
    text = with_tables(f"before\n<!-- {mark} -->stale<!-- end -->\nafter", published)
    assert text.startswith(f"before\n<!-- {mark} -->\n\n|")
    assert text.endswith("\n\n<!-- end -->\nafter")
    assert "stale" not in text
    lines = [cells(line.replace("\\|", "¦")) for line in text.splitlines()]
    assert any({cell.replace("\\|", "¦") for cell in row} <= set(line) for line in lines), text


def test_a_file_that_is_broken_is_named(published):
    (published / "published.json").write_text('{"tests": ')
    with pytest.raises(UserError, match=r"published.json is broken \(.*\); restore it"):
        with_tables("<!-- published:toy --><!-- end -->", published)


def test_making_tables_again_changes_nothing(published):
    once = with_tables("<!-- results:toy --><!-- end --> <!-- times:all ko --><!-- end -->", published)
    assert with_tables(once, published) == once


@pytest.mark.parametrize("mark", ["result:toy", "claims:C1", "times:toy", "result:my-corpus.v2"])
def test_a_mark_that_names_no_table_is_an_error(mark, published):
    with pytest.raises(UserError, match="names no table"):
        with_tables(f"<!-- {mark} --><!-- end -->", published)


def test_a_corpus_without_results_is_an_error_that_says_how_to_publish(published):
    with pytest.raises(UserError, match=r"python -m scripts.publish runs/captions/\*/seed1"):
        with_tables("<!-- results:captions --><!-- end -->", published)


def test_times_are_means_per_machine_and_say_whether_there_was_a_gpu():
    of_three = [run("gru", 60), run("gru", 120), run("gru_attention", 30), run("transformer", 6)]
    of_three[1]["epochs"] = 2
    table = times([*of_three, run("of my own", 600)])
    assert cells(table.splitlines()[2])[2:] == ["1–2", "1.5", "0.5", "0.1", "2.1"]
    assert table.endswith(NO_GPU)
    table = times([run("gru", 60), run("transformer", 6, gpu="a GPU")])
    assert cells(table.splitlines()[3])[1:] == ["a GPU", "1", "–", "–", "0.1", "–"]
    assert NO_GPU not in table


def test_commands_and_versions_stand_under_the_table_of_what_made_the_runs():
    text = runs_made([run("gru", 90), run("transformer", 30, versions={"torch": "2.12.0"})])
    assert "- Transformer: `python -m scripts.train fit`" in text
    assert text.endswith("With torch 2.12.0; or with torch 2.13.0.")


def test_seeds_of_one_command_are_told_once():
    def made(model: str, seed: int, more: str = "") -> dict:
        return run(model, 60, seed=seed) | {
            "command": f"fit {model}.yaml --seed_everything {seed} --runs_dir runs{more}"
        }

    text = runs_made([made("gru", 1), made("gru", 2), made("gru", 3, " --data.corpus my"), made("transformer", 1)])
    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        "- GRU, no attention, SEED 1, 2: `fit gru.yaml --seed_everything SEED --runs_dir runs`",
        "- GRU, no attention, seed 3: `fit gru.yaml --seed_everything 3 --runs_dir runs --data.corpus my`",
        "- Transformer: `fit transformer.yaml --seed_everything 1 --runs_dir runs`",
    ]


def test_scores_of_several_machines_name_them_all():
    text = scores([run("gru", 60), run("transformer", 6, gpu="a GPU", commit=None)])
    assert "seed 1, commit `0123456789`, `unknown`, a GPU; a processor, 2 thread(s)." in text


def test_verdicts_count_findings_by_their_outcome():
    content = claim("C2", "undecided")
    finding = content["findings"][0]
    outcomes = ["passes", "passes", "passes", "undecided", "undecided", "fails"]
    table = verdicts([content | {"findings": [finding | {"outcome": outcome} for outcome in outcomes]}])
    assert cells(table.splitlines()[2])[3:] == ["3", "1", "2"]
    assert table.splitlines()[-1] == "Profile quick, commit `0123456789`, a processor, 1 thread(s)."


def test_our_scores_stand_under_their_test_set_with_their_metric_and_an_evaluation_adds_its_own():
    others = {"tests": {"a": "A", "b": "B"}, "results_test": "b", "metrics": {"13a": "cased", "B-tok": "tokenised"}}
    estimate = {"value": 41.25, "low": 40.0, "high": 42.5, "per_seed": [40.75, 41.75]}
    evaluation = {
        "corpus": {"name": "tok"},
        "search": {"beam": 5, "alpha": 1.4},
        "scores": {"models": {"gru": {"seeds": [1, 2], "bleu": estimate | {"value": 1.0}, "bleu_tok": estimate}}},
        **{"command": "evaluate", "date": "2020-02-29", "commit": "b" * 40},
        "hardware": {"gpu": None, "processor": "a processor", "threads": 1},
    }
    evaluation["earlier"] = [evaluation | {"commit": "a" * 40, "hardware": {"gpu": "a GPU"}}]
    runs = [run("transformer", 60, seed=2), run("gru", 60), run("transformer", 60, seed=1)]
    runs[0]["test"] = runs[0]["test"] | {"bleu": 93.24}
    table = published_scores(others | {"systems": []}, runs, [evaluation])
    rows = [cells(line) for line in table.splitlines()[2:5]]
    assert rows[0][:4] == ["**this project: GRU, no attention**", "", "**91.2**", "13a"]
    assert rows[0][4] == "`make train`: greedy search, seed 1"
    assert rows[1][0] == "**this project: Transformer**"
    assert rows[1][2:] == ["**92.2 ± 1.4**", "13a", "`make train`: greedy search, mean ± sd of 2 seeds"]
    assert rows[2][1:4] == ["", "**41.2 ± 0.7 [40.0, 42.5]**", "B-tok"]
    assert rows[2][4] == "`make evaluate`: beam 5, α = 1.4, mean ± sd of 2 seeds"
    assert table.endswith("- **13a**: cased\n- **B-tok**: tokenised")
    ours, _, origin = evaluated_scores([evaluation]).splitlines()[2:]
    assert cells(ours) == ["GRU, no attention", "41.2 ± 0.7 [40.0, 42.5]", "B-tok", "tok", rows[2][4]]
    assert origin == "Translated and scored at commit `aaaaaaaaaa`, `bbbbbbbbbb`, a GPU; a processor, 1 thread(s)."
    evaluation["earlier"] *= 2  # so that it has scored none of its runs itself
    assert evaluated_scores([evaluation]).endswith("Translated and scored at commit `aaaaaaaaaa`, a GPU.")


def test_a_score_of_a_handful_of_sentences_stands_without_an_interval():
    others = {"tests": {"a": "A"}, "results_test": "a", "metrics": {"13a": "cased"}, "systems": []}
    values = {"seeds": [1], "bleu": {"value": 41.25, "low": None, "high": None, "per_seed": [41.25]}}
    evaluation = {"corpus": {"name": "tok"}, "search": {"beam": 5, "alpha": 1.0}, "scores": {"models": {"gru": values}}}
    assert "| **41.2** |" in published_scores(others, [], [evaluation])


def test_a_korean_table_has_the_same_numbers_under_korean_words():
    english = scores([run("gru", 60), run("transformer", 60)])
    korean = in_korean(english)
    for word in ("GRU, no attention", "Transformer", "parameters", "source words", "thread", "greedy"):
        assert word in english
        assert word not in korean

    def numbers(text: str) -> list[str]:
        return [cell for line in text.splitlines() for cell in line.split("|") if any(map(str.isdigit, cell))]

    assert [cell.strip() for cell in numbers(english)[:-1]] == [cell.strip() for cell in numbers(korean)[:-1]]
    assert korean.splitlines()[1].count(":") == english.splitlines()[1].count(":")


def test_runs_of_several_seeds_have_korean_names():
    runs = [run("gru", 60), run("gru", 60, seed=2), run("transformer", 60)]
    assert "| GRU, 어텐션 없음, 시드 2 |" in in_korean(runs_made(runs))
    korean = in_korean(scores(runs))
    assert "시드 1, 2(평균, BLEU는 ± 표준편차), 커밋" in korean
    assert "seed" not in korean
    assert "mean" not in korean


def test_a_table_that_only_names_claims_keeps_its_cells(published):
    korean = with_tables("<!-- made:claims ko --><!-- end -->", published)
    assert "`a \\| command`" in korean


def test_a_claim_of_one_s_own_has_no_korean_and_stands_in_the_table_all_the_same(published):
    own = dated(claim("C10", "fails")) | {"findings": []}
    (published / "claims" / "C10.json").write_text(json.dumps(own))
    assert [content["claim"]["name"] for content in read_claims(published / "claims")] == ["C2", "C10"]
    row = f"C10 {own['claim']['title']} | {own['claim']['says']} | **{CELLS['fails']}**"
    assert row in re.sub(" +", " ", in_korean(verdicts([own])))


def test_every_claim_and_verdict_has_its_korean():
    contents = read_claims(ROOT / "results" / "claims")
    assert {content["claim"]["name"] for content in contents} == TITLES.keys() == SAYS.keys()
    for verdict in ("holds", "holds in part", "fails", "undecided"):
        korean = in_korean(verdicts([content | {"verdict": verdict} for content in contents]))
        assert korean.count(f"**{CELLS[verdict]}**") == len(contents)
        for content in contents:
            assert content["claim"]["says"] not in korean


def test_nothing_english_is_left_in_what_the_korean_documents_show():
    results_folder = ROOT / "results"
    assert set(MODEL_LABELS.values()) <= CELLS.keys()
    corpora = ("results:toy", "results:multi30k", "results:multi30k_tok", "evaluated:multi30k")
    for mark in ("claims:all", "times:all", *corpora):
        shown = with_tables(f"<!-- {mark} ko --><!-- end -->", results_folder)
        for english in (*SENTENCES, *(f"| {cell} " for cell in CELLS)):
            assert english not in shown


def test_a_sheet_has_every_exercise_of_its_lesson_and_no_answer():
    for lesson, exercise, answer in (("lesson.md", "Exercise", "*Answer"), ("lesson.ko.md", "연습", "*답")):
        sheet = exercises((ROOT / "docs" / lesson).read_text(encoding="utf-8"))
        numbers = re.findall(rf"^\*\*{exercise} (\d+)\.\*\*", sheet, re.MULTILINE)
        assert numbers == [str(number) for number in range(1, 18)]
        assert answer not in sheet
    assert exercises("Text.\n\n> **Exercise 1.** One\n> two.\n>\n> 1. three\n\n*Answer.* No.\n\n> Quoted.\n") == (
        "**Exercise 1.** One\ntwo.\n\n1. three"
    )


def test_the_documents_are_the_readmes_and_those_in_docs(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "README.ko.md", "OTHER.md", "docs/a.md"):
        (tmp_path / name).touch()
    assert [path.name for path in documents(tmp_path)] == ["README.ko.md", "README.md", "a.md"]


def test_a_run_that_went_on_with_other_code_names_both_commits():
    assert "| `0123456789`, `abcdef` |" in runs_made(
        [run("gru", 90, earlier_commits=["0123456789abcdef"], commit="abcdef")]
    )


def test_the_table_of_scores_names_a_commit_once():
    runs = [
        run("gru", 90, earlier_commits=["0123456789abcdef"], commit="abcdef"),
        run("transformer", 90, commit="abcdef"),
    ]
    assert re.findall("`([0-9a-f]+)`", scores(runs)) == ["0123456789", "abcdef"]
