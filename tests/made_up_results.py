"""JSON as runs and claims leave it, of results that never were."""


def results(model: str, **test) -> dict:
    bands = [
        {"low": 1, "high": 10, "n": 4, "nats_per_token": 0.5, "exact_match": 0.75, "bleu": 80.0},
        {"low": 11, "high": 20, "n": 0, "nats_per_token": None, "exact_match": None, "bleu": None},
        {"low": 21, "high": None, "n": 2, "nats_per_token": 0.5, "exact_match": 0.5, "bleu": 70.0},
    ]
    return {
        "model": model,
        "seed": 1,
        "corpus": {"name": "toy", "is_synthetic": True, "content_hash": "ab" * 32},
        "parameters": 1234567,
        "steps": 4000,
        "epochs": 1,
        "target_tokens_seen": 2_110_000,
        "seconds": 90,
        "nats_per_token": {"train": 0.1, "val": 0.2, "test": 0.3},
        "test": {
            "bleu": 91.25,
            "chrf": 95.0,
            "exact_match": 0.5,
            "token_accuracy_teacher_forced": 0.987,
            "by_source_length": bands,
            **test,
        },
        "batch_order_hash": "abcdef",
        "commit": "0123456789abcdef",
        "hardware": {"gpu": None, "processor": "a processor", "threads": 2},
    }


def claim(name: str, verdict: str) -> dict:
    finding = {"what": "a |difference|", "rule": "above 0", "outcome": "passes", "is_primary": True}
    numbers = {"value": 1.5, "low": 1.0, "high": 2.0, "n": 200, "seeds": 3, "p_value": 0.01}
    return {
        "claim": {"name": name, "title": "Title", "says": "Something."},
        "verdict": verdict,
        "why": "every finding passes",
        "findings": [finding | numbers],
        "profile": "quick",
        "missing_jobs": [],
        "date": "2020-02-29",
        "commit": "0123456789abcdef",
        "hardware": {"gpu": None, "processor": "a processor", "threads": 1},
    }
