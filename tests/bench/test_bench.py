"""`make bench` from end to end on a few sentences, and its arithmetic."""

import copy
import json

import pytest
import torch

from pipeline.bench import gpu, reference
from pipeline.bench.ceilings import floating_point_operations
from pipeline.bench.process import run_command
from pipeline.bench.reference import make_model, share_of_padding, spread
from pipeline.bench.training import WAYS, through_pipeline
from pipeline.bench_table import gpu_table, peers_table
from pipeline.data.datamodule import TranslationData
from pipeline.errors import UserError
from pipeline.fast.captured import CapturedSteps
from pipeline.fast.product import product
from pipeline.models import GRUSeq2Seq
from pipeline.objective import objective
from scripts import bench
from tests.commands import GRU_SIZES, SMALL, write_corpus
from tests.documents import cells


@pytest.fixture
def little(tmp_path):
    return write_corpus(tmp_path / "little")


def test_everything_is_measured_and_put_into_tables(little, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reference, "MODELS", {"gru": lambda size: GRUSeq2Seq(size, "last", d_embed=8, d_model=12)})
    for module in (bench, bench.sys.modules["pipeline.bench.searching"], bench.sys.modules["pipeline.bench.scaling"]):
        monkeypatch.setattr(module, "MODELS", reference.MODELS)
    monkeypatch.setattr(bench, "LENGTHS", (8, 16))
    sizes = ["--corpus", str(little), "--vocab_size", "700", "--batch_tokens", "64", "--cache_dir", str(tmp_path / "c")]
    short = ["--rounds", "2", "--steps", "2", "--search_steps", "2", "--threads", "1", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["bench", *sizes, *short])
    bench.main()
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    ways = found["training"]["gru"]
    assert list(ways) == [way.name for way in WAYS]
    assert ways["bare loop"]["times_bare_loop"] == {"median": 1, "low": 1, "high": 1, "n": 2}
    for of_way in ways.values():
        assert of_way["tokens_per_second"]["median"] > of_way["sentences_per_second"]["median"] > 0
    beam = found["search"]["gru"]["searches"]["beam 5"]
    assert all(rate["median"] > 0 for rate in beam["sentences_per_second"].values())
    assert found["search"]["gru"]["validation"]["fast"]["median"] > 0
    assert (beam["sentences"], beam["translations_that_differ"]) == (11, 0)
    assert 0.2 < sum(beam["share_of_time"].values()) <= 1
    # A step of the GRU alone, and of the output, for at least one hypothesis of one token.
    assert beam["gflop_per_sentence"] > 2 * (8 * 36 + 12 * 36 + 700 * 8) / 1e9
    assert set(found["by_length"]["gru"]) == {"8", "16"}
    assert found["steps"]["gru"]["ways"]["readable"]["times_floor"]["median"] > 1
    assert found["by_corpus_size"]["60"]["batches"] > 1
    assert 100 < found["processes"]["gru"]["peak_megabytes_readable"] < 4000
    assert "| GRU, no attention | bare loop" in capsys.readouterr().out
    assert (tmp_path / "out" / "bench.md").read_text().count("### ") == 9
    assert not (tmp_path / "out" / "unfinished-bench.json").exists()
    assert torch.are_deterministic_algorithms_enabled()  # as in training, nor is new memory overwritten
    assert not torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_without_a_gpu_there_is_nothing_to_measure_of_one(little, tmp_path, refuse):
    said = refuse(bench.main, "--gpu", "--corpus", str(little), "--out", str(tmp_path / "out"))
    assert "finds no GPU; leave out --gpu" in said
    assert not (tmp_path / "out").exists()


class Eager(CapturedSteps):
    """What stands in for graphs where there is no GPU: eager steps."""

    def __init__(self, objective_of, optimizer, max_norm):
        self.objective_of, self.optimizer = objective_of, optimizer

    def __call__(self, batch):
        self.objective_of(batch).objective.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


@pytest.fixture
def of_gpu(little, monkeypatch):
    """What is measured of a GPU, of a little model on a CPU; and what was kept on the way."""
    monkeypatch.setattr(reference, "MODELS", {"gru": lambda size: GRUSeq2Seq(size, "last", d_embed=8, d_model=12)})
    stand_ins = {"IN_ORDER": ("gru",), "CapturedSteps": Eager, "PAIRS": 20, "SIDE": 16, "PASSES": 2}
    for name, value in stand_ins.items():
        monkeypatch.setattr(gpu, name, value)
    data = gpu.FewPairs(str(little), vocab_size=700, batch_tokens=64, cache_dir=str(little.parent / "cache"))
    data.setup()
    kept = []
    found = gpu.measure_gpu(data, 2, torch.device("cpu"), lambda so_far: kept.append(copy.deepcopy(so_far)))
    return found, kept


def test_all_that_is_measured_of_a_gpu_can_be_measured_of_a_cpu(of_gpu):
    found, kept = of_gpu
    of_model = found["models"]["gru"]
    assert [len(so_far["models"]["gru"]["ways"]) for so_far in kept] == [0, 1, 2, 3, 4, 4, 5, 6]
    assert kept[-1] == found
    assert list(of_model["ways"]) == [
        "bare loop, graphs, TF32",
        "pipeline, fast",
        "pipeline, readable",
        "bare loop",
        "bare loop, graphs, float32",
        "bare loop, graphs, bfloat16",
    ]
    windows = []
    for way in of_model["ways"].values():
        least = way["milliseconds_per_step"]["low"] * of_model["steps"] / 1000
        assert of_model["tokens"] / least == pytest.approx(way["tokens_per_second"]["high"])
        windows.append(way["share_of_ceiling"]["n"])
    assert windows == [4, 2, 2, 2, 2, 2]
    assert len(of_model["ratios"]) == 3
    assert all(ratio["low"] <= ratio["value"] <= ratio["high"] for ratio in of_model["ratios"].values())
    assert all(seconds["median"] > 0 for seconds in of_model["seconds_for_the_test_set"].values())


def test_the_operations_of_a_row_are_those_of_each_row_of_a_batch(little):
    data = gpu.FewPairs(str(little), vocab_size=700, batch_tokens=64, cache_dir=str(little.parent / "cache"))
    data.setup()
    batch = next(batch for batch in data.one_pass() if len(batch.src) > 1)
    network = make_model("transformer", 700)

    def whole() -> None:
        objective(network(batch.src, batch.src_mask, batch.tgt_in), batch.tgt_out, 0.1).objective.backward()

    assert gpu._gflop(network, batch) == pytest.approx(floating_point_operations(whole) / 1e9)


def test_the_table_of_a_gpu_is_there_from_the_first_part_on(of_gpu):
    _, kept = of_gpu
    made = {
        "reference": {"corpus": "c", "vocab_size": 7, "batch_tokens": 5, "rounds": 2, "training_pairs": 20},
        "hardware": {"gpu": "a fast one"},
        "commit": "0123456789abcdef",
    }
    tables = [gpu_table(so_far | made) for so_far in kept]
    assert "pipeline, fast ÷ bare loop, graphs, TF32" not in tables[1]
    assert "pipeline, fast ÷ bare loop, graphs, TF32" in tables[2]
    assert "| beam 5 |" in tables[-1]


def test_one_make_train_is_timed_until_each_model_has_its_score(little, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    folders = ["--cache_dir", str(tmp_path), "--runs_dir", str(tmp_path / "runs"), "--out", str(out)]
    wanted = ["--to_score", "gru=0", "gru_attention=100.5", "--jobs", "2", "--threads", "2", "--corpus", str(little)]
    monkeypatch.setattr("sys.argv", ["bench", *wanted, *folders, "--", *SMALL, *GRU_SIZES])
    bench.main()
    found = json.loads((out / "to_score.json").read_text())
    reached, missed = found["models"]["gru"], found["models"]["gru_attention"]
    assert 0 < reached["seconds_to_target"] < reached["seconds"] < found["seconds"]
    assert missed["seconds_to_target"] is None
    assert 0 < missed["seconds"] < found["seconds"]
    results = json.loads((tmp_path / "runs" / "little" / "gru" / "seed1" / "results.json").read_text())
    assert reached["bleu_on_test"] == results["test"]["bleu"]
    assert "--model.fast true --alignment_maps false" in results["command"]
    assert " not reached |" in (out / "to_score.md").read_text()
    assert "2 at once" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--to_score", "gru"], "--to_score gru: give a model and its BLEU"),
        (["--to_score", "gruu=20"], "no model 'gruu'"),
        (["--to_score", "gru=20", "--gpu"], "give one of them at a time"),
        (["--to_score", "gru=20", "--jobs", "0"], "--jobs is 0; it must be at least 1"),
        (["--to_score", "gru=20", "--corpus", "auto"], "needs a corpus by its name"),
        (["--to_score", "gru=20", "--", "--score_test", "false"], "scores on its test set"),
        (["--jobs", "2"], "are of --to_score only"),
        (["--to_score", "gru=20", "--batch_tokens", "8192"], "--to_score does not read --batch_tokens"),
        (["--gpu", "--steps", "3"], "--gpu does not read --steps"),
    ],
)
def test_a_score_that_cannot_be_timed_is_refused_at_once(arguments, expected, tmp_path, refuse):
    assert expected in refuse(bench.main, *arguments, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_runs_that_are_there_are_not_timed(tmp_path, refuse):
    said = refuse(bench.main, "--to_score", "gru=20", "--runs_dir", str(tmp_path))
    assert "is there, and a finished run is not trained again" in said


def test_the_table_has_a_row_for_each_toolkit_and_says_what_failed():
    one = {"per_second": spread([2628.0])._asdict(), "ours_times_this": spread([2.027])._asdict()}
    table = peers_table(
        {
            "versions": {"OpenNMT-py": "3.5.1", "ctranslate2": "4.8.5"},
            "pieces_per_sentence": 15,
            "training": {"transformer": {"OpenNMT-py": one}},
            "search": {"transformer": {"ctranslate2": one}},
            "failures": {"joeynmt, transformer": "it is old"},
        }
    )
    rows = [cells(line) for line in table.splitlines() if line.startswith("| Tr")]
    speed, ratio = "2,628 [2,628, 2,628]", "2.03 [2.03, 2.03]"
    assert rows == [
        ["Transformer", "OpenNMT-py", "3.5.1", speed, ratio, "", ""],
        ["Transformer", "ctranslate2", "4.8.5", "", "", speed, ratio],
    ]
    assert "15 pieces" in table
    assert "Not measured: joeynmt, transformer: it is old." in table


def test_peers_that_are_not_there_are_refused_before_anything_is_measured(refuse):
    assert "no Python interpreter that runs" in refuse(bench.main, "--peers", "no/such/python")


def test_operations_of_both_kinds_of_product_are_counted():
    rows, matrix = torch.randn(6, 5), torch.randn(7, 5)
    for multiply in (product, torch.nn.functional.linear):
        assert floating_point_operations(lambda multiply=multiply: multiply(rows, matrix)) == 2 * 6 * 5 * 7


def test_a_spread_is_median_smallest_and_largest():
    assert spread([3.0, 1.0, 2.0, 9.0]) == (2.5, 1.0, 9.0, 4)


def test_the_share_of_padding_counts_what_is_not_a_token(little, tmp_path):
    data = TranslationData(str(little), vocab_size=700, batch_tokens=1, cache_dir=str(tmp_path / "cache"))
    data.setup()
    one_sentence_per_batch = share_of_padding(data)
    assert one_sentence_per_batch == {"src": 0.0, "tgt": 0.0}
    data = TranslationData(str(little), vocab_size=700, batch_tokens=100_000, cache_dir=str(tmp_path / "cache"))
    data.setup()
    assert 0 < share_of_padding(data)["tgt"] < 1


def test_reference_models_start_from_the_same_weights_every_time():
    one, other = (make_model("gru_attention", 50).embedding.weight for _ in range(2))
    assert torch.equal(one, other)


def test_a_command_that_fails_says_what_it_said(capsys):
    with pytest.raises(UserError, match="python -m no_such_module failed; the lines above say why"):
        run_command("no_such_module", threads=1)
    assert "No module named" in capsys.readouterr().err


def test_a_number_out_of_range_is_refused(refuse):
    assert "--rounds is 0; it must be at least 1" in refuse(bench.main, "--rounds", "0")


def test_the_peak_of_a_command_is_its_own_and_not_that_of_the_process_that_measures():
    before = run_command("this", threads=1).peak_megabytes
    held = torch.ones(300 * 2**20 // 4)  # 300 MB
    assert run_command("this", threads=1).peak_megabytes == pytest.approx(before, abs=20)
    assert before < 100 < held.nbytes / 2**20


def test_every_way_of_training_begins_with_the_first_batch(little):
    data = TranslationData(str(little), vocab_size=700, batch_tokens=64, cache_dir=str(little.parent / "cache"))
    data.setup()
    through_pipeline(WAYS[1], make_model("gru", 700), data, 2, windows=1, warm_up=1)
    assert data.num_consumed == 0
