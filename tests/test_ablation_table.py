"""The table of an ablation says what changed, against what, and where numbers do not compare."""

import json

import pytest

from pipeline.ablation_table import WHOLE, ablation_table, together
from pipeline.errors import UserError
from scripts import publish
from tests.documents import cells

PROVENANCE = {
    "command": "python -m scripts.ablate …",
    "commit": "0123456789abcdef",
    "hardware": {"processor": "a slow one", "threads": 2, "gpu": None},
}


def estimate(value: float) -> dict:
    return {"value": value, "low": value - 1, "high": value + 1, "p_value": 0.5}


def scores(**bleu: float) -> dict:
    """Scores of a model: `bleu` with the whole recipe and without each part."""
    return {
        "models": {name: {"bleu": estimate(value), "nats_per_token": estimate(2.0)} for name, value in bleu.items()},
        "differences": [
            {
                "ours": ours,
                "theirs": theirs,
                "bleu": estimate(bleu[ours] - bleu[theirs]),
                "nats_per_token": None if ours == "pieces" else estimate(0.5),
            }
            for theirs in bleu
            for ours in bleu
            if list(bleu).index(ours) > list(bleu).index(theirs)
        ],
    }


def part(without: str, models: list[str] | None = None) -> dict:
    return {"without": without, "options": {}, "models": models}


def content() -> dict:
    return {
        "corpus": {"name": "captions", "n": 7},
        "recipe": "captions",
        "settings": {"dropout": 0.3},
        "settings_of_models": {"gru": {"d_embed": 8}, "transformer": {"d_model": 8}},
        "arguments": ["--model.fast", "true"],
        "epochs": 3,
        "seed": 1,
        "search": {"beam": 5, "alpha": 1.0},
        "signatures": {"bleu": "…"},
        "parts": {
            WHOLE: part("the whole recipe"),
            "dropout": part("no dropout"),
            "pieces": part("more pieces", ["gru", "gru_attention"]),
        },
        "models": {
            name: {"scores": scores(**bleu), "provenance": PROVENANCE}
            for name, bleu in (
                ("gru", {WHOLE: 20.0, "dropout": 18.0, "pieces": 21.0}),
                ("transformer", {WHOLE: 30.0, "dropout": 25.5}),
            )
        },
    }


def test_each_row_is_the_difference_from_the_whole_recipe():
    header, _, whole, dropout, pieces, *rest = ablation_table(content()).split("\n")
    assert cells(header) == ["recipe", "GRU, no attention: BLEU", "nats/token", "Transformer: BLEU", "nats/token"]
    assert cells(whole) == ["the whole recipe", "20.0", "2.000", "30.0", "2.000"]
    assert cells(dropout)[:2] == ["no dropout", "−2.0 [−3.0, −1.0]"]
    assert cells(dropout)[2:] == ["+0.500 [−0.500, +1.500]", "−4.5 [−5.5, −3.5]", "+0.500 [−0.500, +1.500]"]
    assert cells(pieces) == ["more pieces", "+1.0 [+0.0, +2.0]", "other tokens", *["has no such part"] * 2]
    assert "Validation split of captions (7 sentences); 3 epochs each, seed 1, beam 5" in rest[1]
    assert cells(rest[-1]) == [
        "GRU, no attention; Transformer",
        "`python -m scripts.ablate …`",
        "`0123456789`",
        "a slow one",
    ]


def test_a_part_that_was_not_run_is_told_from_one_that_a_model_has_not():
    with_all = content()
    with_all["parts"]["pieces"]["models"] = None
    assert "has no such part" not in ablation_table(with_all)
    assert cells(ablation_table(with_all).split("\n")[4])[3:] == ["not run"] * 2


def test_tokenised_text_is_compared_in_the_metric_of_most_published_scores():
    tokenised = content()
    tokenised["signatures"]["bleu_tok"] = "…"
    for of_model in tokenised["models"].values():
        for values in [*of_model["scores"]["models"].values(), *of_model["scores"]["differences"]]:
            values["bleu_tok"] = estimate(11.0)
    assert ": B-tok" in ablation_table(tokenised)
    assert "11.0" in ablation_table(tokenised)


def only(model: str, *parts: str) -> dict:
    """The ablation of one model, as if the others were trained another day."""
    one = content()
    one["models"] = {model: one["models"][model]}
    one["parts"] = {part: one["parts"][part] for part in parts}
    return one


def test_models_that_were_trained_on_different_days_give_the_table_of_one_day():
    gru, transformer = only("gru", WHOLE, "dropout", "pieces"), only("transformer", WHOLE, "dropout")
    for joined in (together(gru, transformer), together(transformer, gru)):
        assert ablation_table(joined) == ablation_table(content())
    again = only("gru", WHOLE, "dropout", "pieces")
    again["models"]["gru"]["scores"] = scores(whole=1.0, dropout=1.0, pieces=1.0)
    assert together(content(), again)["models"] == content()["models"] | again["models"]


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("epochs", 4),
        ("settings", {"dropout": 0.4}),
        ("settings_of_models", {"gru": {"d_embed": 16}, "transformer": {"d_model": 8}}),
        ("arguments", ["--model.lr", "1"]),
        ("corpus", {"name": "captions", "n": 8}),
        ("recipe", "others"),
        ("seed", 2),
        ("search", {"beam": 1, "alpha": 1.0}),
        ("signatures", {"bleu": "another"}),
        ("parts", {WHOLE: part("the whole recipe"), "dropout": part("less dropout")}),
        ("parts", {WHOLE: part("the whole recipe"), "dropout": part("no dropout") | {"options": {"dropout": 0.1}}}),
    ],
)
def test_models_that_were_trained_or_scored_otherwise_never_stand_in_one_table(key, other):
    another = only("gru", WHOLE, "dropout") | {key: other}
    for earlier in (content(), only("transformer", WHOLE, "dropout")):  # with the same model and without
        with pytest.raises(UserError, match=f"differs from this one in {key.replace('_', ' ')}"):
            together(earlier, another)
    assert together(only("gru", WHOLE, "dropout", "pieces"), another) == another  # none of the one before is left


def test_an_ablation_of_a_version_that_kept_no_settings_of_models_is_only_replaced_as_a_whole():
    old = content()
    del old["settings_of_models"]
    with pytest.raises(UserError, match="differs from this one in settings of models"):
        together(old, only("gru", WHOLE, "dropout", "pieces"))
    assert together(old, content()) == content()


def test_the_command_publishes_what_it_is_given_and_writes_the_documents_anew(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text("<!-- ablation:captions -->\n\nold\n\n<!-- end -->\n")
    (tmp_path / "ablation.json").write_text(json.dumps(content()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["publish", "--ablation", "ablation.json"])
    publish.main()
    assert json.loads((tmp_path / "results/captions/ablation.json").read_text()) == content()
    assert "the whole recipe" in page.read_text()
    assert "old" not in page.read_text()
