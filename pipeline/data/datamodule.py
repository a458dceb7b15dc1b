"""The data of a run: a corpus, its tokenizer, and batches of it for Lightning."""

import contextlib
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

from pipeline.atomic import write_atomically
from pipeline.data import tokenizer
from pipeline.data.batching import EncodedPair, TokenBudgetBatches, encode_pairs, fits
from pipeline.data.corpus import Corpus
from pipeline.data.loading import load_corpus
from pipeline.data.tokenizer import Tokenizer
from pipeline.errors import UserError
from pipeline.paths import expanded


class TranslationData(pl.LightningDataModule):
    """Sentence pairs as token-budget batches.

    Args:
        corpus: `toy`, `multi30k`, a local folder, or a dataset "owner/name[:config]" on the Hugging Face Hub.
        src: Source language: a column's name or a text file's ending.
        tgt: Target language, likewise.
        vocab_size: Pieces of the joint vocabulary; where the corpus allows fewer, the rest stay unused.
        batch_tokens: At most this many target tokens in a batch, and source tokens likewise, padding included.
        eval_batch_tokens: The same for validation and test.
        max_len: Training pairs with a side of more pieces than this, its end included, are left out, and counted in
            the log. Validation and test always keep every sentence.
        seed: Of the batch order.
        revision: Commit of a dataset on the Hub; None takes the newest.
        cache_dir: Where the tokenizer and the generated toy corpus are kept.

    Attributes:
        num_consumed: Batches used in training so far, over all epochs.
    """

    def __init__(
        self,
        corpus: str = "toy",
        src: str = "en",
        tgt: str = "de",
        vocab_size: int = 1536,
        batch_tokens: int = 2048,
        eval_batch_tokens: int = 8192,
        max_len: int = 128,
        seed: int = 1,
        revision: str | None = None,
        cache_dir: str = "data/cache",
    ) -> None:
        super().__init__()
        self.corpus_source = corpus
        self.src = src
        self.tgt = tgt
        self.vocab_size = vocab_size
        self.batch_tokens = batch_tokens
        self.eval_batch_tokens = eval_batch_tokens
        self.max_len = max_len
        self.seed = seed
        self.revision = revision
        self.cache_dir = expanded(cache_dir)
        self.corpus: Corpus | None = None
        self.tokenizer: Tokenizer | None = None
        self.content_hash = ""
        self.num_consumed = 0
        self._encoded: dict[str, list[EncodedPair]] = {}
        self._numbers: list[int] = []  # of the training pairs that are kept, counted from 1 in the whole split
        self._train_batches: TokenBudgetBatches | None = None

    def setup(self, stage: str | None = None) -> None:
        """Loads and encodes the corpus; does nothing the second time.

        Raises:
            UserError: The corpus is not there or not as it should be.
        """
        if self._encoded:
            return
        self.corpus = load_corpus(self.corpus_source, self.src, self.tgt, self.cache_dir, self.revision)
        self.content_hash = self.corpus.content_hash()
        self.tokenizer = self._cached_tokenizer()
        train = encode_pairs(self.corpus.train, self.tokenizer)
        self._numbers = [number for number, pair in enumerate(train, 1) if fits(pair, self.max_len)]
        kept = [train[number - 1] for number in self._numbers]
        if not kept:
            raise UserError(f"no training pair has both sides within {self.max_len} pieces; raise --data.max_len")
        if len(kept) < len(train):
            _say(
                f"{len(train) - len(kept)} of {len(train)} training pairs are longer than {self.max_len} pieces, "
                "their ends included, and are left out (--data.max_len)"
            )
        if self.tokenizer.size < self.vocab_size:
            _say(
                f"the corpus holds {self.tokenizer.size} pieces, fewer than vocab_size {self.vocab_size}; "
                "the rest stay unused"
            )
        self._encoded = {"train": kept} | {
            split: encode_pairs(self.corpus.split(split), self.tokenizer) for split in ("val", "test")
        }

    def train_dataloader(self) -> TokenBudgetBatches:
        made = self._train_batches  # planning takes as long as some steps
        if made is None or (made.rank, made.world_size) != self._place():
            self._train_batches = self._batches("train", self.batch_tokens, self.seed)
        self._train_batches.consumed = self.num_consumed
        return self._train_batches

    def val_dataloader(self) -> TokenBudgetBatches:
        return self._batches("val", self.eval_batch_tokens, None)

    def test_dataloader(self) -> list[TokenBudgetBatches]:
        """The test split, and as many training sentences as validation has, to compare the loss on both."""
        train_sample = self._encoded["train"][: len(self._encoded["val"])]
        return [
            self._batches("test", self.eval_batch_tokens, None),
            TokenBudgetBatches(train_sample, self.eval_batch_tokens, None, *self._place()),
        ]

    def on_batch_consumed(self) -> None:
        """Counts a training batch; the count is what a resumed run starts from."""
        self.num_consumed += 1
        self._train_batches.consumed = self.num_consumed

    def consumed_sentences(self, ago: int = 0) -> list[int]:
        """The numbers, counted from 1 in the training split, of the pairs in the batch `ago` before the last one."""
        epoch, batch = divmod(self.num_consumed - 1 - ago, len(self._train_batches))
        return sorted(self._numbers[row] for row in self._train_batches.plan(epoch)[batch])

    def order_hash(self) -> str:
        """SHA-256 (hex) of the order of the training batches."""
        return self.train_dataloader().order_hash()

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint: the position in training, and what translating needs."""
        return {
            "consumed": self.num_consumed,
            "tokenizer": self.tokenizer.proto,
            "content_hash": self.content_hash,
            "src": self.src,
            "tgt": self.tgt,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a checkpoint was made.

        Raises:
            UserError: The corpus or its tokenizer is another one.
        """
        for what, before, now in (
            ("text", state_dict["content_hash"], self.content_hash),
            ("tokenizer", state_dict["tokenizer"], self.tokenizer.proto),
        ):
            if before != now:
                raise UserError(
                    f"the checkpoint was trained on a corpus with another {what} than {self.corpus_source}; "
                    "give the corpus it was trained on, or start a new run with RETRAIN=1"
                )
        self.num_consumed = state_dict["consumed"]

    def _cached_tokenizer(self) -> Tokenizer:
        """Trained once per text, vocabulary size and way of training, on the training split only."""
        sentences = [sentence for pair in self.corpus.train for sentence in (pair.src, pair.tgt)]
        rules = Path(tokenizer.__file__).read_text(encoding="utf-8") + version("sentencepiece")
        key = hashlib.sha256("\n".join([*sentences, rules]).encode()).hexdigest()[:16]
        path = self.cache_dir / f"tokenizer-{key}-{self.vocab_size}.model"
        if path.is_file():
            with contextlib.suppress(RuntimeError):  # damaged: it is made anew
                kept = Tokenizer(path.read_bytes())
                if kept.size:
                    return kept
        proto = Tokenizer.train(sentences, self.vocab_size).proto
        write_atomically(path, lambda temporary: temporary.write_bytes(proto))
        return Tokenizer(proto)

    def _batches(self, split: str, batch_tokens: int, seed: int | None) -> TokenBudgetBatches:
        return TokenBudgetBatches(self._encoded[split], batch_tokens, seed, *self._place())

    def _place(self) -> tuple[int, int]:
        """This process's rank and how many processes there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


@rank_zero_only
def _say(text: str) -> None:
    print(text, flush=True)
