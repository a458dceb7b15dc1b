"""The tables of an evaluation, made from its JSON. No torch here."""

from collections.abc import Sequence
from typing import Any

from pipeline.markdown_blocks import markdown_table
from pipeline.measures import NAMES, PER_TOKEN, SHARES, factor, free_measure
from pipeline.plots import Curve, Point, model_label
from pipeline.report import OTHER_TOKENS, band_label, drawn_bands, made_at, shown_p_value
from pipeline.statistics import ENDS


def only_of(content: dict[str, Any], names: set[str]) -> dict[str, Any] | None:
    """The part of an evaluation that is of the models `names`; None where it has none of them."""

    def only(models: dict[str, Any]) -> dict[str, Any]:
        return {name: values for name, values in models.items() if name in names}

    def only_scores(scores: dict[str, Any]) -> dict[str, Any]:
        return {
            "models": only(scores["models"]),
            "by_length": [band | {"models": only(band["models"])} for band in scores["by_length"]],
            "differences": [pair for pair in scores["differences"] if {pair["ours"], pair["theirs"]} <= names],
        }

    earlier = [run for run in content.get("earlier", []) if run["model"] in names]
    part = content | {"scores": only_scores(content["scores"]), "earlier": earlier}
    if not part["scores"]["models"]:
        return None
    if "concatenated" in content:
        part["concatenated"] = [
            joined | {"scores": only_scores(joined["scores"])} for joined in content["concatenated"]
        ]
    if "attention" in content:
        part["attention"] = only(content["attention"])
    if "alignment" in content:
        baselines, models = content["alignment"]["baselines"], content["alignment"]["models"]
        of_others = {f"{name}, untrained" for name in models.keys() - names}
        part["alignment"] = {
            "baselines": {name: values for name, values in baselines.items() if name not in of_others},
            "models": only(models),
        }
    return part


def evaluation_tables(content: dict[str, Any]) -> str:
    """All tables of an evaluation as Markdown, each under a line that says what it shows."""
    models = content["scores"]["models"]
    free = [m for m in next(iter(models.values())) if m in NAMES and m not in PER_TOKEN]
    corpus, search = content["corpus"], content["search"]
    parts = [
        f"## {corpus['name']}, {corpus['split']}: {corpus['n']} sentences",
        f"[In brackets: 95 % intervals.] {content['intervals']}",
        "Teacher-forced: each model is given the reference up to the word it predicts.",
        _model_table(models, [*PER_TOKEN, "perplexity"]),
        f"Translated freely: {search_name(search)}.",
        _model_table(models, free),
        "Signatures: " + "; ".join(f"{NAMES[name]} `{text}`" for name, text in content["signatures"].items()) + ".",
    ]
    if content["scores"]["differences"]:
        parts += [
            "Differences on the same sentences, with the p-value that there is none (paired bootstrap; of several "
            "seeds, Student's).",
            _difference_table(content["scores"]["differences"], ["nats_per_token", *free]),
        ]
    by_length = {"": content["scores"]["by_length"]} | {
        f"{joined['k']} neighbouring sentences joined into one, {joined['n']} inputs: ": joined["scores"]["by_length"]
        for joined in content.get("concatenated", [])
    }
    for what, bands in by_length.items():
        for measure in ("nats_per_token", free_measure(is_synthetic=corpus["is_synthetic"])):
            how = "teacher-forced" if measure in PER_TOKEN else "translated freely"
            parts += [
                f"{what}{NAMES[measure]} by source length ({how}).",
                _length_table(bands, list(models), measure),
            ]
    if "alignment" in content:
        parts += _alignment_parts(content["alignment"], content["corpus"]["n"])
    elif "attention" in content:
        title = "The mean attention of all layers and heads; nothing is known of right links."
        parts += _shapes(title, content["attention"])
    return "\n\n".join(parts) + "\n"


def evaluations_in(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that scored the runs of an evaluation: itself, unless it has all scores from earlier ones, and these."""
    earlier = content.get("earlier", [])  # old evaluations have none
    num_runs = sum(len(values["seeds"]) for values in content["scores"]["models"].values())
    made = [*([content] if len(earlier) < num_runs else []), *earlier]
    return list({(one["command"], one["date"], one["commit"]): one for one in reversed(made)}.values())[::-1]


def tables_and_origin(content: dict[str, Any]) -> str:
    """`evaluation_tables`, and what they were made by."""
    made = [f"- `{one['command']}`: {one['date']}, {made_at([one])}" for one in evaluations_in(content)]
    return f"{evaluation_tables(content)}\nTranslated and scored by:\n\n" + "\n".join(made) + "\n"


def search_name(search: dict[str, Any]) -> str:
    """ "greedy search", or what kind of beam search."""
    if search["beam"] == 1:
        return "greedy search"
    return f"beam search with {search['beam']} hypotheses, length penalty α = {search['alpha']:g}"


def _shown(measure: str, value: float) -> str:
    if measure in SHARES:
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if measure not in ("nats_per_token", "error_rate", "perplexity") else f"{value:.3f}"


def _with_interval(measure: str, estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "–"
    sd = f" sd {_shown(measure, estimate['sd'])}" if estimate["sd"] is not None else ""
    return f"{_shown(measure, estimate['value'])}{_interval(measure, estimate)}{sd}"


def _interval(measure: str, found: dict[str, Any]) -> str:
    """Of an estimate or a difference; nothing where there are too few sentences for one."""
    if found["low"] is None:
        return ""
    return f" [{_shown(measure, found['low'])}, {_shown(measure, found['high'])}]"


def _model_table(models: dict[str, Any], measures: Sequence[str]) -> str:
    rows = []
    for name, values in models.items():
        cells = [_shown(m, values[m]) if m == "perplexity" else _with_interval(m, values[m]) for m in measures]
        rows.append([model_label(name), ", ".join(map(str, values["seeds"])), *cells])
    return markdown_table(["model", "seeds", *(NAMES.get(m, m) for m in measures)], rows)


def _difference_table(differences: Sequence[dict[str, Any]], measures: Sequence[str]) -> str:
    rows = []
    for pair in differences:
        cells = []
        for measure in measures:
            d = pair[measure]
            if d is None:
                cells.append(OTHER_TOKENS)
                continue
            sign = "+" if d["value"] >= 0 else ""
            shown = f"{sign}{_shown(measure, d['value'])}{_interval(measure, d)} {shown_p_value(d['p_value'])}"
            cells.append(shown)
        rows.append([f"{model_label(pair['ours'])} − {model_label(pair['theirs'])}", *cells])
    return markdown_table(["difference", *(NAMES[m] for m in measures)], rows)


def _length_table(bands: Sequence[dict[str, Any]], models: Sequence[str], measure: str) -> str:
    rows = [
        [
            band_label(band) + (" (beyond training)" if band["beyond_training"] else ""),
            str(band["n"]),
            *(_with_interval(measure, band["models"][name][measure]) for name in models),
        ]
        for band in bands
    ]
    return markdown_table(["source words", "n", *map(model_label, models)], rows)


def _alignment_parts(alignment: dict[str, Any], num_sentences: int) -> list[str]:
    rows = []
    for name, values in alignment["baselines"].items():
        model, is_untrained, _ = name.partition(", untrained")
        label = model_label(model) + ", untrained" if is_untrained else name
        rows.append([label, *_alignment_cells(values, _chosen(values, num_sentences))])
    for name, values in alignment["models"].items():
        if values["attention"]:
            map_ = _chosen(values["attention"], num_sentences)
            rows.append([model_label(name), *_alignment_cells(values["attention"], map_)])
        salient = values["saliency"]
        if salient:
            rows.append([model_label(name), *_alignment_cells(salient, f"saliency ({salient['num_pairs']} pairs)")])
    attentions = {n: v["attention"] for n, v in alignment["models"].items() if v["attention"]}
    columns = {name: alignment["baselines"][name] for name in ("diagonal", "one link per word")}
    columns |= {model_label(name): values for name, values in attentions.items()}
    phenomena = next(iter(columns.values()))["per_phenomenon"]
    by_phenomenon = [
        [
            phenomenon,
            str(values["n"]),
            *(_with_interval("error_rate", column["per_phenomenon"][phenomenon]) for column in columns.values()),
        ]
        for phenomenon, values in phenomena.items()
    ]
    return [
        "Word alignment against the gold links: the strongest source word of each target word of the reference. "
        "AER: 0 is perfect." + _how_maps_were_chosen(attentions),
        markdown_table(["model", "map", "AER", "precision (%)", "recall (%)"], rows, num_texts=2),
        "AER per phenomenon. No reader of one word for each gets below “one link per word”.",
        markdown_table(["phenomenon", "target words", *columns], by_phenomenon),
        *_shapes("Shape of these maps.", attentions),
    ]


def _how_maps_were_chosen(attentions: dict[str, Any]) -> str:
    if not attentions:
        return ""
    if all(values["on_validation"] for values in attentions.values()):
        return (
            " Layer, head and step were chosen on validation: “predicting” is the step that predicts the word, “input” "
            "the next one, whose input it is."
        )
    return (
        " The mean of all layers and heads is read, at the step that predicts the word: there is nothing to choose by."
    )


def _alignment_cells(values: dict[str, Any], what: str) -> list[str]:
    return [
        what,
        _with_interval("error_rate", values["error_rate"]),
        *("–" if values[share] is None else f"{100 * values[share]:.1f}" for share in ("precision", "recall")),
    ]


def _chosen(values: dict[str, Any], num_sentences: int) -> str:
    """ "layer 2, head 1, predicting"; several seeds may have chosen differently. Where not all sentences could be read,
    how many."""
    choices = [f"{choice['name']}, {choice['reading']}" for choice in values.get("chosen", [])]
    num_pairs = values.get("num_pairs", num_sentences)
    only = f" ({num_pairs} pairs)" if num_pairs < num_sentences else ""
    return ("; ".join(dict.fromkeys(choices)) or "–") + only


def _shapes(title: str, of_models: dict[str, Any]) -> list[str]:
    """The table under its title; nothing where no model has attention."""
    rows = [
        [model_label(n), f"{v['entropy']:.2f}", f"{100 * v['on_end']:.1f}", f"{v['coverage']:.2f}"]
        for n, v in of_models.items()
        if v
    ]
    return [title, markdown_table(["model", "entropy (nats)", "weight on </s> (%)", "coverage"], rows)] if rows else []


def ends(estimate: dict[str, Any], scale: float) -> list[float | None]:
    """The value of an estimate, and where its interval begins and ends, None where it has none."""
    return [None if estimate[end] is None else scale * estimate[end] for end in ENDS]


def length_curves(bands: Sequence[dict[str, Any]], measure: str) -> list[Curve]:
    """A measure against source length with its intervals, one curve per model; of `drawn_bands`."""
    drawn = drawn_bands(bands)
    scale = factor(measure)
    curves = []
    for name in drawn[0]["models"]:
        points = [
            Point(f"{band_label(band)}\nn={band['n']}", *ends(band["models"][name][measure], scale)) for band in drawn
        ]
        curves.append(Curve(model_label(name), name, points))
    return curves


def first_beyond(bands: Sequence[dict[str, Any]]) -> int | None:
    """The place of the first drawn band beyond the lengths of training; None where there is none, or where all are."""
    return next((place for place, band in enumerate(drawn_bands(bands)) if band["beyond_training"]), None) or None
