"""The table of an ablation, made from its JSON. No torch here."""

from typing import Any

from pipeline.errors import UserError
from pipeline.markdown_blocks import joined_rows, markdown_table
from pipeline.measures import NAMES
from pipeline.plots import model_label, model_order
from pipeline.report import OTHER_TOKENS, short_commit
from pipeline.statistics import ENDS

WHOLE = "whole"  # what the runs with the whole recipe are called
# Of an ablation's JSON: what models must have had in common to stand in one table.
_COMMON = (
    *("corpus", "recipe", "settings", "settings_of_models", "arguments"),
    *("epochs", "seed", "search", "signatures"),
)


def together(earlier: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """The models of two ablations in one; of a model in both, what `content` has.

    Raises:
        UserError: Models of both would stand in it that are not of one recipe, trained and scored alike.
    """
    if not earlier["models"].keys() - content["models"].keys():
        return content
    differ = [key.replace("_", " ") for key in _COMMON if earlier.get(key) != content[key]]
    parts = earlier["parts"] | content["parts"]
    if parts != content["parts"] | earlier["parts"]:
        differ.append("parts")
    if differ:
        raise UserError(f"the ablation that is published differs from this one in {', '.join(differ)}")
    return content | {"parts": parts, "models": earlier["models"] | content["models"]}


def ablation_table(content: dict[str, Any]) -> str:
    """For each part of a recipe and each model: what leaving it out changes, with its 95 % interval.

    The first row has the scores of the whole recipe, the others differences from it. Nats per token compare only where
    the tokens are the same.
    """
    models = {name: content["models"][name] for name in sorted(content["models"], key=model_order)}
    measure = "bleu_tok" if "bleu_tok" in content["signatures"] else "bleu"
    header = ["recipe"]
    for model in models:
        header += [f"{model_label(model)}: {NAMES[measure]}", NAMES["nats_per_token"]]
    rows = []
    for part, entry in content["parts"].items():
        row = [entry["without"]]
        for model, of_model in models.items():
            scores = of_model["scores"]
            if part == WHOLE:
                whole = scores["models"][WHOLE]
                row += [f"{whole[measure]['value']:.1f}", f"{whole['nats_per_token']['value']:.3f}"]
            elif part in scores["models"]:
                (difference,) = (d for d in scores["differences"] if (d["ours"], d["theirs"]) == (part, WHOLE))
                nats = difference["nats_per_token"]
                row += [_change(difference[measure], 1), _change(nats, 3) if nats else OTHER_TOKENS]
            else:
                row += ["has no such part" if entry["models"] and model not in entry["models"] else "not run"] * 2
        rows.append(row)
    corpus, search = content["corpus"], content["search"]
    note = (
        f"Validation split of {corpus['name']} ({corpus['n']} sentences); {content['epochs']} epochs each, seed "
        f"{content['seed']}, beam {search['beam']}, α = {search['alpha']:g}. Below the first row: differences from it, "
        "with 95 % intervals over sentences, not over seeds."
    )
    made = [[model_label(name), *_made(of_model["provenance"])] for name, of_model in models.items()]
    table = markdown_table(["model", "command", "scored at commit", "scored on"], joined_rows(made), num_texts=4)
    return f"{markdown_table(header, rows)}\n\n{note}\n\n{table}"


def _made(provenance: dict[str, Any]) -> list[str]:
    hardware = provenance["hardware"]
    return [
        f"`{provenance['command']}`",
        f"`{short_commit(provenance['commit'])}`",
        hardware["gpu"] or hardware["processor"],
    ]


def _change(difference: dict[str, Any], digits: int) -> str:
    """With its interval, which too few sentences have not."""
    ends = (difference[end] for end in ENDS)
    value, *interval = (f"{end:+.{digits}f}".replace("-", "−") for end in ends if end is not None)
    return f"{value} [{', '.join(interval)}]" if interval else value
