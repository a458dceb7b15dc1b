import pytest

from pipeline.data.corpus import SentencePair
from pipeline.translator import Translator
from tests.tiny_runs import MODELS, write_run, write_text_corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def pairs(folder) -> list[SentencePair]:
    """Test pairs with links."""
    return write_text_corpus(folder / "little")


@pytest.fixture(scope="module")
def translators(folder, pairs) -> dict[str, Translator]:
    """One untrained model of each kind."""
    runs = {name: write_run(folder / "runs", folder / "little", name) for name in MODELS}
    return {name: Translator.load(run / "checkpoints" / "best.ckpt") for name, run in runs.items()}
