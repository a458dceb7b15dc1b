"""The measures that tables, figures and the report share: what each is called, and how it is read."""

NAMES = {
    "nats_per_token": "nats/token",
    "token_accuracy": "tokens right (%)",
    "bleu": "BLEU",
    "bleu_tok": "B-tok",
    "chrf": "chrF2",
    "exact_match": "exact match (%)",
}
# Teacher-forced, per token: they compare only where the tokens are the same. All others are of free translation.
PER_TOKEN = ("nats_per_token", "token_accuracy")
# Between 0 and 1, shown in percent.
SHARES = ("token_accuracy", "exact_match")


def factor(measure: str) -> int:
    """What a value is multiplied by where it is shown."""
    return 100 if measure in SHARES else 1


def free_measure(*, is_synthetic: bool) -> str:
    """The measure of free translation that a corpus is judged by: BLEU or, where each sentence has one right
    translation, how many are exactly that."""
    return "exact_match" if is_synthetic else "bleu"
