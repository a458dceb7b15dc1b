"""Imports go one way, and each heavy library is used in one room only."""

import ast
from pathlib import Path

import pytest

from tests.prepared_python import ROOT

# A module may import those before it; rooms of one level know nothing of each other.
LEVELS = [
    {"pipeline.printable", "pipeline.atomic", "pipeline.children"},
    {
        "pipeline.circumstances",
        "pipeline.markdown_blocks",
        "pipeline.measures",
        "pipeline.claim_texts",
        "pipeline.bertviz",
        "pipeline.paths",
    },
    {"pipeline.errors", "pipeline.provenance"},
    {"pipeline.checkpoint_file", "pipeline.window", "pipeline.settings", "pipeline.json_files"},
    {"pipeline.finished_runs"},
    {"pipeline.data.corpus", "pipeline.data.lexicon", "pipeline.data.inflection"},
    {"pipeline.data.phrases"},
    {"pipeline.data.grammar", "pipeline.data.files", "pipeline.data.tokenizer"},
    {"pipeline.data.toy", "pipeline.data.hub"},
    {"pipeline.data.loading", "pipeline.data.batching"},
    {"pipeline.data.probes", "pipeline.recipes"},
    {"pipeline.data.datamodule"},
    {"pipeline.models"},
    {"pipeline.statistics", "pipeline.objective"},
    {"pipeline.decoding", "pipeline.saliency", "pipeline.metrics", "pipeline.plots", "pipeline.alignment"},
    {"pipeline.fast.product", "pipeline.fast.attention", "pipeline.fast.dropout", "pipeline.fast.gru"},
    {"pipeline.fast.modules"},
    {"pipeline.fast.search"},
    {"pipeline.scoring", "pipeline.charts", "pipeline.curves", "pipeline.word_maps", "pipeline.translations"},
    {"pipeline.optimizer", "pipeline.report"},
    {"pipeline.fast"},
    {"pipeline.translator", "pipeline.scored_task"},
    {"pipeline.task", "pipeline.sentence_maps", "pipeline.loaded_runs", "pipeline.train_options"},
    {"pipeline.callbacks", "pipeline.results", "pipeline.run_folder", "pipeline.evaluation", "pipeline.bench"},
    {"pipeline.panels"},
    {"pipeline.explorer"},
    {"pipeline.claims"},
    {"pipeline.terminal", "pipeline.standard_input"},
    {
        "pipeline.prompt",
        "pipeline.evaluation_tables",
        "pipeline.claims_table",
        "pipeline.bench_table",
        "pipeline.ablation_table",
    },
    {"pipeline.document_tables", "pipeline.published_scores", "pipeline.report_content", "pipeline.ablation"},
    {"pipeline.report_claims", "pipeline.korean"},
    {"pipeline.pages", "pipeline.documents"},
    {"scripts"},
]
ONLY_IN = {
    "pytorch_lightning": {
        "pipeline.scored_task",
        "pipeline.task",
        "pipeline.callbacks",
        "pipeline.data.datamodule",
        "pipeline.train_options",
        "pipeline.bench",
        "scripts",
    },
    "sentencepiece": {"pipeline.data.tokenizer"},
    "datasets": {"pipeline.data.hub"},
    "huggingface_hub": {"pipeline.data.hub"},
    "matplotlib": {"pipeline.plots", "pipeline.panels", "scripts"},
    "sacrebleu": {"pipeline.metrics"},
    "rich": {"pipeline.callbacks", "pipeline.terminal", "pipeline.prompt", "scripts.claims"},
    "jinja2": {"pipeline.pages"},
    "PIL": {"pipeline.panels", "pipeline.report_claims"},
    "tensorboard": {"pipeline.curves"},
    "joblib": {"pipeline.claims.jobs", "pipeline.children"},
}
FILES = [path for folder in ("pipeline", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def level_of(name: str) -> int | None:
    for level, rooms in enumerate(LEVELS):
        if any(name == room or name.startswith(f"{room}.") for room in rooms):
            return level
    return None


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path):
    name = name_of(path)
    if name in ("pipeline", "pipeline.data"):
        return
    level = level_of(name)
    assert level is not None, f"{name} has no place in LEVELS"
    room = next(r for r in LEVELS[level] if name == r or name.startswith(f"{r}."))
    for imported in imports_of(path):
        their_level = level_of(imported)
        same_room = imported == room or imported.startswith(f"{room}.")
        assert their_level is None or their_level < level or same_room, f"{name} imports {imported}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_stay_in_their_room(path):
    name = name_of(path)
    for imported in imports_of(path):
        rooms = ONLY_IN.get(imported.split(".")[0])
        assert rooms is None or any(name == r or name.startswith(f"{r}.") for r in rooms), f"{name} imports {imported}"


def test_models_import_nothing_from_data():
    for path in (ROOT / "pipeline" / "models").glob("*.py"):
        assert not any(name.startswith("pipeline.data") for name in imports_of(path)), path


def libraries_of(*names: str) -> dict[str, str]:
    """All that these modules load, and what they load does: each library, and a module of ours that imports it."""
    reached, todo, found = set(), set(names), {}
    while todo:
        name = todo.pop()
        reached.add(name)
        path = ROOT.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_file():
            imports = imports_of(path)
            ours = {i for i in imports if level_of(i) is not None}
            parents = {i.rpartition(".")[0] for i in ours}  # whose __init__ is run too
            todo |= (ours | parents) - reached
            found |= {i.split(".")[0]: name for i in imports if level_of(i) is None}
    return found


def test_the_report_needs_no_torch():
    found = libraries_of("scripts.report", "pipeline.documents")
    assert not found.keys() & {"torch", "pytorch_lightning"}, found


@pytest.mark.parametrize(
    "command", ["ablate", "align", "claims", "compare", "evaluate", "explorer", "train_all", "translate"]
)
def test_what_does_not_train_with_lightning_does_not_wait_until_it_is_loaded(command):
    found = libraries_of(f"scripts.{command}")
    assert "torch" in found
    assert "pytorch_lightning" not in found, found["pytorch_lightning"]


def test_nothing_that_runs_or_unpacks_what_it_reads_is_used():
    """Pickles run code; archives can write outside their folder; the Hub's scripts are anybody's."""
    for path in FILES:
        modules = {imported.split(".")[0] for imported in imports_of(path)}
        assert not modules & {"pickle", "cPickle", "dill", "marshal", "shelve", "tarfile", "zipfile"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert "trust_remote_code" not in given, path
                if ast.unparse(node.func) in ("torch.load", "load_from_checkpoint"):
                    assert given.get("weights_only") == "True", path
