"""Batches of similar lengths within a token budget; the same for every model, whatever the number of processes."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.data.corpus import SentencePair
from pipeline.data.tokenizer import BOS, EOS, PAD, Tokenizer


class EncodedPair(NamedTuple):
    """Ids of one sentence pair: the source ends with EOS; the target has neither BOS nor EOS."""

    src: Tensor
    tgt: Tensor


class Batch(NamedTuple):
    """One step's sentences, or this process's share of them.

    Worked example, two pairs, 0 = PAD, 2 = BOS, 3 = EOS:

        src      [[11, 12, 13,  3], [14,  3,  0,  0]]      src_mask  [[T, T, T, T], [T, T, F, F]]
        tgt_in   [[ 2, 21, 22], [ 2, 23,  0]]
        tgt_out  [[21, 22,  3], [23,  3,  0]]              num_tokens 5, index [0, 1]

    Attributes:
        src: (batch, src_len) ids.
        src_mask: (batch, src_len) bool, True on real tokens.
        tgt_in: (batch, tgt_len) decoder input.
        tgt_out: (batch, tgt_len) expected output.
        index: (batch,) position of each pair among those given; −1 for a stand-in that counts for nothing.
        num_tokens: Real target tokens, EOS included, of the whole step over all processes.
    """

    src: Tensor
    src_mask: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    index: Tensor
    num_tokens: int

    def on(self, device: torch.device | str) -> "Batch":
        """The same batch with its tensors on `device`."""
        return Batch(*(part.to(device) for part in self[:-1]), self.num_tokens)


def encode_pairs(pairs: Sequence[SentencePair], tokenizer: Tokenizer) -> list[EncodedPair]:
    """Ids of sentence pairs, the source with EOS."""
    src = tokenizer.encode([pair.src for pair in pairs])
    tgt = tokenizer.encode([pair.tgt for pair in pairs])
    return [
        EncodedPair(torch.tensor([*s, EOS]), torch.tensor(t, dtype=torch.long)) for s, t in zip(src, tgt, strict=True)
    ]


def fits(pair: EncodedPair, max_len: float) -> bool:
    """Whether both sides, EOS included, have at most `max_len` pieces."""
    return len(pair.src) <= max_len and len(pair.tgt) < max_len


def make_batch(pairs: Sequence[EncodedPair]) -> Batch:
    """All `pairs` as one batch, in their order."""
    src = _EndToEnd([pair.src for pair in pairs])
    tgt = _EndToEnd([_framed(pair.tgt) for pair in pairs])
    return _padded_batch(src, tgt, np.arange(len(pairs)))


def _framed(tgt: Tensor) -> Tensor:
    """BOS, the ids of a target, EOS."""
    return torch.cat([torch.tensor([BOS]), tgt, torch.tensor([EOS])])


class _EndToEnd:
    """Sequences of ids one behind the other, so that some of them are padded by one lookup."""

    def __init__(self, sequences: Sequence[Tensor]) -> None:
        self.ids = torch.cat(list(sequences)).numpy()
        self.length = np.array([len(sequence) for sequence in sequences])
        self.start = self.length.cumsum() - self.length

    def padded(self, rows: np.ndarray, first: int = 0, last: int = 0) -> Tensor:
        """(len(rows), len) ids, without the `first` first ones and the `last` last ones of each sequence."""
        length = self.length[rows, np.newaxis] - first - last
        place = np.arange(length.max())
        start = self.start[rows, np.newaxis] + first
        ids = self.ids[np.minimum(start + place, len(self.ids) - 1)]
        return torch.from_numpy(np.where(place < length, ids, PAD))


def _padded_batch(src: _EndToEnd, tgt: _EndToEnd, rows: np.ndarray) -> Batch:
    src_ids = src.padded(rows)
    num_tokens = int(tgt.length[rows].sum()) - len(rows)
    return Batch(
        src_ids, src_ids != PAD, tgt.padded(rows, last=1), tgt.padded(rows, first=1), torch.from_numpy(rows), num_tokens
    )


class TokenBudgetBatches:
    """Epoch after epoch of batches, one for each iteration over them: no DataLoader, no sampler, no workers.

    The order is a function of `seed` and the epoch alone, and the epoch of `consumed` batches, so that a run that goes
    on after a stop sees exactly the batches it would have seen. With several processes every one plans the same global
    batches and takes its share of the rows: the batches do not depend on how many there are.

    Args:
        pairs: The split.
        batch_tokens: At most this many target tokens in a batch, and source tokens likewise, padding included. A
            sentence longer than that is a batch of its own.
        seed: Of the order; None keeps one fixed order (validation, test).
        rank: This process, of `world_size`.

    Attributes:
        consumed: Batches already used in training, over all epochs; whoever trains keeps it up to date.
    """

    def __init__(
        self,
        pairs: Sequence[EncodedPair],
        batch_tokens: int,
        seed: int | None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.pairs = pairs
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.consumed = 0
        self._src = _EndToEnd([pair.src for pair in pairs])
        self._tgt = _EndToEnd([_framed(pair.tgt) for pair in pairs])
        self._src_len = self._src.length
        self._tgt_len = self._tgt.length - 1  # of tgt_in and of tgt_out
        self._cuts = self._cut_points()
        self._length = len(self.plan(epoch=0))

    def __len__(self) -> int:
        """Batches in every epoch."""
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        epoch, start = divmod(self.consumed, len(self)) if self.seed is not None else (0, 0)
        for rows in self.plan(epoch)[start:]:
            yield self._share(rows)

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch, over all processes."""
        ties = np.arange(len(self.pairs))
        random = None
        if self.seed is not None:
            random = np.random.default_rng([self.seed, epoch])
            ties = random.permutation(ties)
        order = np.lexsort((ties, self._src_len, self._tgt_len))
        batches = np.split(order, self._cuts)
        if random is not None:
            random.shuffle(batches)
        return batches

    def _cut_points(self) -> list[int]:
        """Where batches begin, but the first, in the order by length: the same in every epoch, as ties are alike."""
        order = np.lexsort((self._src_len, self._tgt_len))
        cuts, start, longest = [], 0, 0
        for end, length in enumerate(np.maximum(self._src_len, self._tgt_len)[order].tolist()):
            if end > start and (end - start + 1) * max(longest, length) > self.batch_tokens:
                cuts.append(end)
                start, longest = end, 0
            longest = max(longest, length)
        return cuts

    def order_hash(self) -> str:
        """SHA-256 (hex) of the first two epochs' batches: equal hashes mean equal batches in equal order."""
        digest = hashlib.sha256()
        for epoch in (0, 1):
            for rows in self.plan(epoch):
                digest.update(np.asarray(rows, dtype="<i8").tobytes() + b"|")
        return digest.hexdigest()

    def _share(self, rows: np.ndarray) -> Batch:
        """This process's rows of a global batch, with the token count of all of it."""
        mine = rows[self.rank :: self.world_size]
        num_tokens = int(self._tgt_len[rows].sum())
        if len(mine):
            return _padded_batch(self._src, self._tgt, mine)._replace(num_tokens=num_tokens)
        # Fewer rows than processes: this one computes a row that counts for nothing, since all must take the step.
        stand_in = _padded_batch(self._src, self._tgt, rows[:1])
        nothing = torch.full_like(stand_in.tgt_out, PAD)
        return stand_in._replace(tgt_out=nothing, index=torch.tensor([-1]), num_tokens=num_tokens)
