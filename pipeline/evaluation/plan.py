"""What `scripts.evaluate` is asked to score: what cannot be is refused here, before anything is scored."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.data.corpus import Corpus
from pipeline.data.files import read_text_pair
from pipeline.data.loading import load_corpus
from pipeline.errors import UserError
from pipeline.evaluation.kept import (
    KeptRun,
    evaluated,
    is_evaluation,
    longest_trained,
    read_kept,
    sentences_hash,
    settle,
)
from pipeline.evaluation.scores import Run, refuse_other_networks, refuse_other_tokenizers
from pipeline.evaluation.sentences import Sentences, longest_source, sentences_of, with_links
from pipeline.finished_runs import is_set_aside
from pipeline.loaded_runs import LoadedRun, TrainedRun, find_runs, load_runs
from pipeline.paths import expanded, is_plain_word
from pipeline.scoring import Search, checked_search


class GivenRun(NamedTuple):
    """A RUN of the command line: a path, and what its one model is called here, None for its own name."""

    name: str | None
    path: Path


def given_run(text: str) -> GivenRun:
    """ "wide=runs/toy/gru/seed1", or a path alone, in which there may be a = as well."""
    name, separator, path = text.partition("=")
    if separator and is_plain_word(name) and not Path(text).exists():
        return GivenRun(name, expanded(path))
    return GivenRun(None, expanded(text))


class Options(NamedTuple):
    """What is asked for, by the names that the options of `scripts.evaluate` have; its `--help` says what each is."""

    runs: Sequence[GivenRun]
    corpus: str | None
    languages: str | None
    split: str | None
    src: Path | None
    ref: Path | None
    beam: int
    alpha: float
    fast: bool
    concatenate: int
    links: Path | None
    val_links: Path | None
    device: str
    out: Path | None


class Plan(NamedTuple):
    """What is evaluated together.

    Attributes:
        models: What is scored: the runs of each model.
        kept: Scores of earlier evaluations, which stand beside those.
        sentences: What on.
        search: How sentences are translated.
        concatenate: Up to how many of them are joined.
        out: Where the results go.
        may_replace: Whether any evaluation that is there may be lost, since somebody named the place.
    """

    models: dict[str, list[Run]]
    kept: list[KeptRun]
    sentences: Sentences
    search: Search
    concatenate: int
    out: Path
    may_replace: bool

    @property
    def places(self) -> list[tuple[str, int]]:
        """Model and seed of every run."""
        scored = [(name, run.seed) for name, runs in self.models.items() for run in runs]
        return [*scored, *((run.model, run.seed) for run in self.kept)]

    def refuse_to_lose(self) -> None:
        """Raises UserError where the evaluation that is there is of other sentences than the one that would replace it,
        or has scores that that one will not have."""
        out, before = self.out, None if self.may_replace else evaluated(self.out)
        if before is None:
            return
        if before.sentences != sentences_hash(self.sentences.test):
            raise UserError(f"{out} has scores of other sentences; write to another folder (--out), or remove that one")
        lost = [f"{name}, seed {seed}" for name, seed in before.runs if (name, seed) not in self.places]
        if before.joined > self.concatenate:
            lost.append(f"up to {before.joined} sentences joined (--concatenate {before.joined})")
        if before.has_links and not self.sentences.has_links:
            lost.append("word links (--links)")
        if lost:
            raise UserError(
                f"{out} has the scores of {'; '.join(lost)} as well, which would be lost: evaluate those too, "
                "write to another folder (--out), or remove that one"
            )


def plans(options: Options) -> list[Plan]:
    """What is to be evaluated, each corpus by itself.

    Raises:
        UserError: Options do not go together, or runs, corpora and earlier evaluations do not.
    """
    search = checked_search(options.beam, options.alpha, fast=options.fast)
    _refuse_options(options)
    split = options.split or "test"  # no default of the parser: beside --src it would look as if it were given
    for path in filter(None, (*(given.path for given in options.runs), options.out)):
        settle(path)
    to_load = [given for given in options.runs if not is_evaluation(given.path)]
    earlier = [given.path for given in options.runs if given not in to_load]
    _refuse_names(options, to_load)
    if not to_load:
        if options.corpus is None or options.out is None:
            raise UserError(
                "only earlier evaluations are given; say of which corpus they are, and where to: --corpus, --out"
            )
        if options.links or options.val_links:
            raise UserError("earlier evaluations hold no word links to compare with --links; give the runs instead")
        sentences = sentences_of(_corpus_of(None, options), split, longest_trained(earlier[0]))
        return [_checked([], earlier, sentences, options.out, search, options)]
    runs = [loaded for given in to_load for loaded in _loaded(given, options.device)]
    if options.src:
        pairs = read_text_pair(options.src, options.ref)
        sentences = Sentences(options.src.name, "file", pairs, (), (), False, None, None)
        if options.links:
            sentences = with_links(sentences, options.links, None)
        return [_checked(runs, earlier, sentences, _elsewhere(runs[0].run) / options.src.stem, search, options)]
    groups: dict[str, list[LoadedRun]] = {}  # by text, not by name: one corpus may have been given as several paths
    for loaded in runs:
        groups.setdefault(options.corpus or loaded.translator.origin.content_hash, []).append(loaded)
    names = [options.corpus or str(group[0].run.data.get("corpus")) for group in groups.values()]
    if len(groups) > 1 and (options.out or earlier):
        given = "--out" if options.out else earlier[0]
        raise UserError(f"the runs are of {len(groups)} corpora ({', '.join(names)}), {given} of one: give --corpus")
    planned = [_plan(group, earlier, split, search, options) for group in groups.values()]
    if len({plan.out for plan in planned}) < len(planned):
        raise UserError(
            f"the runs are of {len(groups)} texts that go by one name ({', '.join(names)}), and their scores would go "
            "to one folder; evaluate the runs of one text at a time"
        )
    return planned


def _loaded(given: GivenRun, device: str) -> list[LoadedRun]:
    """The runs at a path with their models, by the name that is given.

    Raises:
        UserError: There is none, or a name is given to several models.
    """
    runs = load_runs(find_runs([given.path]), device)
    models = {loaded.translator.name for loaded in runs}
    if given.name and len(models) > 1:
        raise UserError(f"{given.path} holds {', '.join(sorted(models))}; {given.name}= can be the name of one only")
    return [loaded._replace(translator=loaded.translator.called(given.name)) for loaded in runs] if given.name else runs


def _refuse_names(options: Options, to_load: Sequence[GivenRun]) -> None:
    """Raises UserError for names of what has names already, or of scores that would stand where others are looked
    for."""
    for given in options.runs:
        if given.name and given not in to_load:
            raise UserError(
                f"{given.path} is an earlier evaluation, whose runs keep their names; leave out {given.name}="
            )
        if given.name and options.out is None:
            raise UserError(f"{given.name} is a name for this evaluation only; say where its results go: --out")


def _refuse_options(options: Options) -> None:
    """Raises UserError for options that do not go together, whatever the runs."""
    if options.concatenate < 1:
        raise UserError(f"--concatenate is {options.concatenate}; expected at least 1")
    if bool(options.src) != bool(options.ref):
        raise UserError("--src and --ref belong together: give both")
    if options.src and options.corpus:
        raise UserError("give --corpus, or --src and --ref, not both")
    if options.src and options.split:
        raise UserError("--split is one of a corpus; --src and --ref are all of their sentences")
    if options.src and options.languages:
        raise UserError("--languages are those of a corpus; --src and --ref are in the model's own")
    if options.val_links and (options.src or not options.links):
        raise UserError("--val_links needs --links, and a corpus with a validation split")


def _plan(runs: Sequence[LoadedRun], earlier: Sequence[Path], split: str, search: Search, options: Options) -> Plan:
    """What is to be evaluated of runs on a split of one corpus."""
    corpus = _corpus_of(runs[0], options)
    content_hash = corpus.content_hash()
    is_own = runs[0].translator.origin.content_hash == content_hash
    for run, translator in runs:
        if options.corpus is None and translator.origin.content_hash != content_hash:
            raise UserError(
                f"{run.checkpoint} was trained on another text than {corpus.name} holds now; to score it on this text "
                f"all the same, give --corpus"
            )
        direction = (translator.origin.src, translator.origin.tgt)
        if options.languages is None and direction != (corpus.src, corpus.tgt):
            raise UserError(
                f"{run.checkpoint} translates from {' to '.join(direction)}, {runs[0].run.checkpoint} from "
                f"{corpus.src} to {corpus.tgt}; evaluate those of one direction at a time"
            )
    longest = None
    if is_own:
        longest = longest_source(corpus, runs[0].translator.tokenizer, runs[0].run.data.get("max_len", math.inf))
    sentences = sentences_of(corpus, split, longest)
    if options.links:
        sentences = with_links(sentences, options.links, options.val_links)
    out = _default_out([loaded.run for loaded in runs], sentences, is_own=is_own)
    return _checked(runs, earlier, sentences, out, search, options)


def _checked(
    runs: Sequence[LoadedRun],
    earlier: Sequence[Path],
    sentences: Sentences,
    out: Path,
    search: Search,
    options: Options,
) -> Plan:
    """The plan to score `runs` beside what `earlier` evaluations hold, into `out` unless options say where to.

    Raises:
        UserError: The two do not belong together, or scores of other runs would be lost.
    """
    if earlier and (sentences.has_links or options.concatenate > 1):
        raise UserError(
            f"{earlier[0]} holds scores of single sentences only, not of "
            f"{'word links' if sentences.has_links else 'joined sentences'}; give the runs instead"
        )
    settle(out)
    kept = [run for folder in earlier for run in read_kept(folder, sentences.test, search)]
    models: dict[str, list[Run]] = {}
    for run, translator in runs:
        models.setdefault(translator.name, []).append(Run(translator, run.seed))
    plan = Plan(models, kept, sentences, search, options.concatenate, options.out or out, options.out is not None)
    _refuse_twice(plan.places)
    refuse_other_networks(models, kept)
    refuse_other_tokenizers(models, kept, sentences.test)
    plan.refuse_to_lose()
    return plan


def _refuse_twice(runs: Sequence[tuple[str, int]]) -> None:
    for number, (name, seed) in enumerate(runs):
        if (name, seed) in runs[:number]:
            raise UserError(
                f"two of the runs are {name}, seed {seed}; give one another name (other=RUN), or leave it out"
            )


def _default_out(runs: Sequence[TrainedRun], sentences: Sentences, *, is_own: bool) -> Path:
    """Beside the models; scores on another text than their own, or of a run that was set aside, never take the place of
    those."""
    run = runs[0]
    if run.folder is None:
        return _elsewhere(run) / f"{sentences.name}-{sentences.split}"
    name = sentences.split
    for other in runs:
        if other.folder and is_set_aside(other.folder):
            name += f"-{other.folder.parent.name}-{other.folder.name}"
    if not is_own:
        name += f"-{sentences.name}"
        if sentences.name == run.folder.parent.parent.name:
            name += f"-{sentences.content_hash[:8]}"
    return run.folder.parent.parent / "evaluation" / name


def _elsewhere(run: TrainedRun) -> Path:
    """Where scores go that belong to no corpus of a run: beside the corpora, or to runs/ of a lone checkpoint."""
    return (run.folder.parents[2] if run.folder else Path("runs")) / "evaluation"


def _corpus_of(loaded: LoadedRun | None, options: Options) -> Corpus:
    """The corpus that is asked for, or else the one that a run was trained on; in the direction of the model."""
    data = loaded.run.data if loaded else {}
    name = options.corpus or data.get("corpus")
    if name is None:
        raise UserError(
            f"{loaded.run.checkpoint} has no config.yaml beside it; say what to score on: --corpus, or --src and --ref"
        )
    origin = loaded.translator.origin if loaded else None
    languages = [origin.src, origin.tgt] if origin else ["en", "de"]
    if options.languages:
        languages = options.languages.split("-")
        if len(languages) != 2:
            raise UserError(f"--languages is {options.languages!r}; expected two, like en-de")
    cache_dir = Path(data.get("cache_dir", "data/cache"))
    return load_corpus(name, *languages, cache_dir, data.get("revision") if options.corpus is None else None)
