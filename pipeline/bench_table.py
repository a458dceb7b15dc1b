"""The tables of `make bench`, from its JSON. No torch here."""

from typing import Any

from pipeline.markdown_blocks import markdown_table
from pipeline.plots import model_label
from pipeline.report import short_commit


def bench_table(content: dict[str, Any]) -> str:
    """All tables, as Markdown, with what they were measured on."""
    reference, hardware = content["reference"], content["hardware"]
    where = (
        f"{hardware['processor']}, {reference['threads']} thread(s), commit `{short_commit(content['commit'])}`; "
        f"corpus {reference['corpus']}, {reference['vocab_size']:,} pieces, {reference['batch_tokens']:,} target "
        f"tokens per batch; medians of {reference['rounds']} windows [smallest, largest]."
    )
    parts = [
        f"Measured on {where}",
        "### Training\n\n" + _training(content["training"]),
        "### Search, test set\n\n" + _search(content["search"]),
        "### Validation beside an epoch of training\n\n" + _validation(content),
        "### Distance to the floor\n\n" + _floor(content),
        "### Where the time of a step goes\n\n" + _profile(content["steps"]),
        "### Fast search: distance to the floor, and where its time goes\n\n" + _search_floor(content),
        "### Target tokens per second by sentence length, readable step\n\n" + _lengths(content["by_length"]),
        "### Preparing the corpus, from nothing\n\n" + _corpus(content["by_corpus_size"]),
        "### Start-up and memory\n\n" + _processes(content),
    ]
    if "peers" in content:
        parts.append("### Beside other toolkits\n\n" + peers_table(content["peers"]))
    return "\n\n".join(parts) + "\n"


def gpu_table(content: dict[str, Any]) -> str:
    """What `make bench ARGS=--gpu` measured, as Markdown; also where it was cut off."""
    reference, models, limits = content["reference"], content["models"], content["ceilings"]
    ways = [
        [
            model_label(model),
            name,
            _spread(way["milliseconds_per_step"], digits=2),
            _spread(way["tokens_per_second"]),
            f"{100 * way['share_of_ceiling']['median']:.1f} %",
        ]
        for model, of_model in models.items()
        for name, way in of_model["ways"].items()
    ]
    quotients = [
        [model_label(model), name, f"{r['value']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"]
        for model, of_model in models.items()
        for name, r in of_model["ratios"].items()
    ]
    searches = [
        [model_label(model), name, _spread(seconds, digits=2)]
        for model, of_model in models.items()
        for name, seconds in of_model.get("seconds_for_the_test_set", {}).items()
    ]
    graphs = [
        [
            model_label(model),
            f"{of_model['gflop_per_step']:.1f}",
            str(of_model["shapes"]),
            f"{of_model['milliseconds_to_capture_a_shape']:.0f}",
        ]
        for model, of_model in models.items()
        if "milliseconds_to_capture_a_shape" in of_model
    ]
    note = (
        f"Measured on {content['hardware']['gpu']}, commit `{short_commit(content['commit'])}`; corpus "
        f"{reference['corpus']} ({reference['training_pairs']:,} training pairs, again and again), "
        f"{reference['vocab_size']:,} pieces, {reference['batch_tokens']:,} target tokens per batch; medians of "
        f"{reference['rounds']} windows or twice as many [smallest, largest]."
    )
    ceilings = ", ".join(f"{name.replace('_', ' ')} {value:,.0f}" for name, value in limits.items())
    parts = [
        note,
        "### Training\n\n"
        + markdown_table(["model", "way", "ms a step", "target tokens/s", "of the ceiling"], ways, num_texts=2)
        + f"\n\nCeilings, products of large matrices and a copy, measured in the same run: {ceilings}. Of the ceiling: "
        "the operations of forward and backward per second over those of the way's precision (of bfloat16, though a "
        "GRU's recurrent products are TF32 there). Eager steps have the readable objective, graphs the one in chunks.",
        "### Ratios of speed\n\n" + markdown_table(["model", "ratio", "value"], quotients, num_texts=2),
        "### What a graph costs\n\n"
        + markdown_table(["model", "GFLOP a step", "shapes here", "ms to capture one"], graphs),
        "### Seconds for the test set\n\n" + markdown_table(["model", "search", "seconds"], searches, num_texts=2),
    ]
    return "\n\n".join(parts) + "\n"


def to_score_table(content: dict[str, Any]) -> str:
    """What `make bench ARGS="--to_score …"` measured, as Markdown."""
    reference, hardware = content["reference"], content["hardware"]
    rows = [
        [
            model_label(model),
            f"{found['target']:g}",
            "not reached" if found["seconds_to_target"] is None else f"{found['seconds_to_target']:.0f}",
            f"{found['last_bleu_on_validation']:.1f}",
            f"{found['bleu_on_test']:.1f}",
            f"{found['seconds']:.0f}",
        ]
        for model, found in content["models"].items()
    ]
    header = ["model", "BLEU wanted", "seconds until then", "BLEU at the end", "BLEU on the test set", "seconds in all"]
    note = (
        f"One `make train` of all on {hardware['gpu'] or hardware['processor']}, {reference['jobs']} at once, commit "
        f"`{short_commit(content['commit'])}`; corpus {reference['corpus']}, seed {reference['seed']}; "
        f"{content['seconds']:.0f} seconds from the command to the comparison. BLEU (13a) by greedy search, on "
        "validation where nothing else is said."
    )
    return f"{note}\n\n{markdown_table(header, rows)}\n"


def _training(training: dict[str, Any]) -> str:
    rows = [
        [
            model_label(model),
            way,
            _spread(of_way["tokens_per_second"]),
            _spread(of_way["sentences_per_second"]),
            _spread(of_way["times_bare_loop"], digits=2),
        ]
        for model, ways in training.items()
        for way, of_way in ways.items()
    ]
    return markdown_table(["model", "way", "target tokens/s", "sentences/s", "times the bare loop"], rows, num_texts=2)


def _search(search: dict[str, Any]) -> str:
    rows = [
        [
            model_label(model),
            name,
            *(_spread(rate) for rate in found["sentences_per_second"].values()),
            _spread(found["times_readable"], digits=2),
            f"{found['translations_that_differ']} of {found['sentences']:,}",
        ]
        for model, of_model in search.items()
        for name, found in of_model["searches"].items()
    ]
    header = ["model", "search", "sentences/s, readable", "fast", "times readable", "translations that differ"]
    return markdown_table(header, rows, num_texts=2)


def _validation(content: dict[str, Any]) -> str:
    rows = []
    for model, of_model in content["search"].items():
        for way, seconds in of_model["validation"].items():
            speed = content["training"][model][way]["tokens_per_second"]["median"]
            epoch = content["reference"]["tokens_per_epoch"] / speed
            share = seconds["median"] / (seconds["median"] + epoch)
            rows.append([model_label(model), way, _spread(seconds, digits=1), f"{epoch:.0f}", f"{100 * share:.0f} %"])
    header = ["model", "way", "a validation (s)", "an epoch (s)", "share of validation"]
    return markdown_table(header, rows, num_texts=2)


def _floor(content: dict[str, Any]) -> str:
    machine = content["ceilings"]
    rows = [
        [
            model_label(model),
            f"{step['gflop']:.1f}",
            *(f"{1000 * seconds:.0f}" for seconds in step["floor_seconds"].values()),
            *(_spread(way["times_floor"], digits=1) for way in step["ways"].values()),
        ]
        for model, step in content["steps"].items()
    ]
    header = ["model", "GFLOP per step", "products (ms)", "weights, optimiser (ms)", "readable ÷ floor", "fast ÷ floor"]
    note = (
        f"The floor is the time for a step's products at {machine['float32_gflops']:.0f} GFLOP/s (float32; bfloat16 "
        f"reaches {machine['bfloat16_gflops']:.0f}) and for its weights and optimiser state at "
        f"{machine['copy_gbytes_per_second']:.0f} GB/s, both measured in the same run."
    )
    return markdown_table(header, rows) + f"\n\n{note}"


def _profile(steps: dict[str, Any]) -> str:
    rows = [
        [model_label(model), way, _shares(found["share_of_time"])]
        for model, step in steps.items()
        for way, found in step["ways"].items()
    ]
    return markdown_table(["model", "way", "operators that take most"], rows, num_texts=3)


def _search_floor(content: dict[str, Any]) -> str:
    ceiling = content["ceilings"]["float32_gflops"]
    rows = []
    for model, of_model in content["search"].items():
        for name, found in of_model["searches"].items():
            reached = found["sentences_per_second"]["fast"]["median"] * found["gflop_per_sentence"]
            work = f"{1000 * found['gflop_per_sentence']:,.0f}"
            rows.append(
                [
                    model_label(model),
                    name,
                    _shares(found["share_of_time"]),
                    work,
                    f"{reached:.0f}",
                    f"{ceiling / reached:.1f}",
                ]
            )
    header = ["model", "search", "operators that take most", "MFLOP per sentence", "GFLOP/s reached", "time ÷ floor"]
    return markdown_table(header, rows, num_texts=3)


def _lengths(by_length: dict[str, Any]) -> str:
    lengths = list(next(iter(by_length.values())))
    rows = [
        [model_label(model), *(f"{f['median']:,.0f}" for f in found.values())] for model, found in by_length.items()
    ]
    return markdown_table(["tokens per sentence", *lengths], rows)


def _corpus(by_size: dict[str, Any]) -> str:
    rows = [
        [f"{int(size):,}", f"{f['prepare_seconds']:.1f}", f"{f['plan_epoch_seconds']:.2f}", f"{f['batches']:,}"]
        for size, f in by_size.items()
    ]
    return markdown_table(["training pairs", "read, tokenize, encode (s)", "plan an epoch (s)", "batches"], rows, 0)


def _processes(content: dict[str, Any]) -> str:
    rows = [
        [
            model_label(model),
            f"{found['start_up_seconds']:.1f}",
            f"{found['peak_megabytes_readable']:,.0f}",
            f"{found['peak_megabytes_fast']:,.0f}",
        ]
        for model, found in content["processes"].items()
    ]
    padding = content["padding"]
    note = f"Padding: {100 * padding['src']:.1f} % of source and {100 * padding['tgt']:.1f} % of target positions."
    header = ["model", "command of one step (s)", "peak memory, readable (MB)", "peak memory, fast (MB)"]
    whole = (
        "Of whole commands with their validation, the translations of a model that has not learned to end included; "
        "with `fast` that takes more memory than a step does."
    )
    return "\n\n".join([markdown_table(header, rows), whole, note])


def peers_table(peers: dict[str, Any]) -> str:
    """This project beside other toolkits, from what `pipeline.bench.comparison.compare` gives."""
    rows = [
        [
            model_label(model),
            name,
            peers["versions"].get(name, ""),
            *(part for found in (training.get(name), search.get(name)) for part in _beside(found)),
        ]
        for (model, training), search in zip(peers["training"].items(), peers["search"].values(), strict=True)
        for name in dict.fromkeys([*training, *search])
    ]
    header = ["model", "toolkit", "version", "target tokens/s", "fast ÷ this", "sentences/s, beam 5", "fast ÷ this"]
    notes = [
        "The same sentences in the same pieces, sizes, token budget and threads, float32, Adam; each toolkit by its "
        f"own commands, batches and log. Every translation has {peers['pieces_per_sentence']} pieces. “fast ÷ this”: "
        "this project with `fast`, over the row's speed in the same round.",
        *(f"Not measured: {what}: {why}." for what, why in peers["failures"].items()),
    ]
    return "\n\n".join([markdown_table(header, rows, num_texts=3), *notes])


def _beside(found: dict[str, Any] | None) -> tuple[str, str]:
    return (_spread(found["per_second"]), _spread(found["ours_times_this"], digits=2)) if found else ("", "")


def _shares(of_operators: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in of_operators.items())


def _spread(found: dict[str, float], digits: int = 0) -> str:
    median, low, high = (f"{found[end]:,.{digits}f}" for end in ("median", "low", "high"))
    return f"{median} [{low}, {high}]"
