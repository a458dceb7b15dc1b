"""The prompt of `scripts.translate` on a terminal."""

import contextlib
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import UserError
from pipeline.printable import printable
from pipeline.scoring import Search
from pipeline.sentence_maps import drawn_map, picture_path, save_picture, sentence_map
from pipeline.terminal import map_text
from pipeline.translator import LONGEST_SOURCE, Translation, Translator

_HELP = """Type a sentence. Words and punctuation as in the training corpus; arrow keys bring back earlier ones.
  :map [FILE]   the alignment of the last sentence, here and as FILE (default: map.png)
  :saliency [FILE]   likewise, how much each prediction depends on each source word: every model has that
  :quit         end (also Ctrl-D)"""


def prompt(translators: dict[str, Translator], search: Search) -> None:
    """Asks for sentences until the input ends, and shows every model's translation.

    Args:
        translators: By the label that is shown.
    """
    console = Console(highlight=False)
    history = _start_history()
    languages = {f"{t.origin.src} → {t.origin.tgt}" for t in translators.values()}
    console.print(printable(f"{' / '.join(sorted(languages))}; :help lists what else can be typed"), markup=False)
    try:
        _answer(console, translators, search)
    finally:
        _keep_history(history)


def _answer(console: Console, translators: dict[str, Translator], search: Search) -> None:
    """Answers line after line."""
    last: dict[str, Translation] = {}
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            break
        except UnicodeDecodeError as error:
            console.print(Text(f"error: not UTF-8 ({error.reason}); type it again", style="red"))
            continue
        try:
            if not line:
                continue
            if line in (":quit", ":q"):
                break
            if line.split()[0] in (":map", ":saliency"):
                _show_maps(console, translators, last, line)
            elif line.startswith(":"):
                console.print(_HELP, markup=False)
            else:
                last = _translate(console, translators, search, line)
        except (UserError, OSError) as error:
            console.print(Text(f"error: {error}", style="red"))


def _translate(
    console: Console, translators: dict[str, Translator], search: Search, sentence: str
) -> dict[str, Translation]:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("")
    table.add_column("nats/token", justify="right", style="dim")
    best: dict[str, Translation] = {}
    for label, translator in translators.items():
        if not translator.has_text(sentence):
            raise UserError("there is nothing in it that the models can read; type a sentence")
        length = translator.num_pieces(sentence)
        if length > LONGEST_SOURCE:
            raise UserError(f"{length} pieces, but at most {LONGEST_SOURCE} are taken; type it in parts")
        (translations,) = translator.translate([sentence], search)
        best[label] = translations[0]
        for rank, translation in enumerate(translations):
            nats = -translation.log_prob / len(translation.ids)
            text = Text(printable(translation.text) + ("" if translation.is_finished else " …"))
            table.add_row(Text(label if rank == 0 else "", style="bold"), text, f"{nats:.2f}")
    console.print(table)
    return best


def _show_maps(
    console: Console, translators: dict[str, Translator], last: dict[str, Translation], command: str
) -> None:
    if not last:
        raise UserError("there is no sentence yet; type one first")
    name, *file = command.split(maxsplit=1)
    of_saliency = name == ":saliency"
    path = picture_path(Path(*file) if file else Path("map.png"))
    maps = [
        drawn_map(label, sentence_map(translators[label], translation, of_saliency=of_saliency))
        for label, translation in last.items()
    ]
    for shown in maps:
        console.print(Text(map_text(shown)), soft_wrap=True)
        console.print()
    save_picture(maps, path, of_saliency=of_saliency)
    console.print(f"saved as {path}", markup=False)


def _start_history() -> Path | None:
    """Line editing with the lines of earlier sessions; None where Python has no readline."""
    try:
        import readline
    except ImportError:
        return None
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if state.startswith("~"):  # who has no home has no history
        return None
    path = Path(state) / "attention-laboratory" / "history"
    if path.is_file():
        with contextlib.suppress(OSError):  # as below
            readline.read_history_file(path)
    return path


def _keep_history(path: Path | None) -> None:
    if path is None:
        return
    import readline

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        readline.set_history_length(1000)
        readline.write_history_file(path)
    except OSError:  # a home that cannot be written to loses its history, nothing else
        pass
