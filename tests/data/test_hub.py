import http.server
import json
import socket
import ssl
import threading
import time
import urllib.error
from unittest.mock import Mock

import datasets
import huggingface_hub
import pytest

from pipeline.data import hub
from pipeline.errors import UserError

CACHED_REVISIONS = hub.cached_revisions


@pytest.fixture(autouse=True)
def no_cache_and_no_switch(monkeypatch):
    """The cache of the person who runs the tests is none of their business, nor whether the Hub is switched off."""
    monkeypatch.setattr(hub, "cached_revisions", lambda name: set())
    for switch in hub._OFFLINE:
        monkeypatch.delenv(switch, raising=False)


def split(*sentences: str) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"en": list(sentences), "de": [sentence.upper() for sentence in sentences]})


def test_the_hub_does_not_answer_where_connections_are_refused_and_we_know_it_at_once():
    start = time.monotonic()
    assert not hub.hub_answers()
    assert time.monotonic() - start < hub.TIMEOUT


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_the_hub_does_not_answer_where_it_is_switched_off(monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it tried all the same"))
    assert not hub.hub_answers()


@pytest.mark.parametrize("switch", ["HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_other_switches_of_the_hub_s_libraries_count_too(monkeypatch, server, switch):
    monkeypatch.setenv("HF_ENDPOINT", server)
    monkeypatch.setenv(switch, "1")
    assert not hub.hub_answers()


@pytest.mark.parametrize("address", ["", "huggingface.co", "no scheme"])
def test_an_address_of_the_hub_that_is_none_is_no_answer(monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert not hub.hub_answers()


@pytest.mark.parametrize(
    ("reason", "answers"), [(ssl.SSLCertVerificationError("unable to get issuer"), True), (OSError("refused"), False)]
)
def test_a_python_without_certificates_leaves_the_hub_to_its_client(monkeypatch, reason, answers):
    opener = Mock()
    opener.open.side_effect = urllib.error.URLError(reason)
    monkeypatch.setattr("urllib.request.build_opener", lambda: opener)
    assert hub.hub_answers() is answers


class Answer(http.server.BaseHTTPRequestHandler):
    """Says 200 to everything, or what `status` says."""

    status = 200

    def do_HEAD(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_hub_answers_where_its_server_does(monkeypatch, server):
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert hub.hub_answers()


def test_a_server_that_forbids_everything_is_no_answer(monkeypatch, server):
    monkeypatch.setattr(Answer, "status", 403)
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert not hub.hub_answers()


@pytest.mark.parametrize("reachable", [True, False])
def test_the_hub_is_asked_through_the_proxy(monkeypatch, server, reachable):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", server if reachable else "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert hub.hub_answers() == reachable


def test_an_unknown_host_is_no_answer(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not hub.hub_answers()


def test_we_wait_once_for_a_host_that_drops_connections_however_many_addresses_it_has(monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT", 0.2)
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in range(9000, 9006)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)

    def drop(self, address):
        time.sleep(self.gettimeout())
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", drop)
    start = time.monotonic()
    assert not hub.hub_answers()
    assert time.monotonic() - start < 1.1  # once is 0.2 seconds, six times 1.2


def test_out_of_reach_and_not_cached_the_message_offers_a_folder_and_the_toy_corpus(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("it tried all the same"))
    said = r"does not answer within .*, and owner/name is not cached; connect, .*CORPUS=path.*CORPUS=toy"
    with pytest.raises(UserError, match=said):
        hub.read_hub("owner/name", "en", "de")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"not asked, since HF_HUB_OFFLINE is set, and .* is not cached; unset it, or"):
        hub.read_hub("owner/name", "en", "de")


def test_out_of_reach_but_cached_the_cache_is_read_offline(monkeypatch):
    monkeypatch.setattr(hub, "cached_revisions", lambda name: {"abc"} if name == "owner/name" else set())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)

    def load(name, configuration, revision):
        assert huggingface_hub.constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
        return {"train": split("a"), "validation": split("b", "c"), "test": split("d")}

    monkeypatch.setattr(datasets, "load_dataset", load)
    splits = hub.read_hub("owner/name", "en", "de")
    assert {name: [pair.tgt for pair in pairs] for name, pairs in splits.items()} == {
        "train": ["A"],
        "val": ["B", "C"],
        "test": ["D"],
    }


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    """What `datasets` keeps of owner/my_name, once loaded from the Hub; without network."""
    for module in (huggingface_hub.constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(hub, "cached_revisions", CACHED_REVISIONS)
    files = {}
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"en": f"a {name}", "de": f"ein {name}"}))
        files[name] = str(tmp_path / f"{name}.jsonl")
    datasets.load_dataset("json", data_files=files)
    # Else it is the same for a dataset of the Hub, but for its name.
    kept = tmp_path / "cache" / "owner___my_name" / "default"
    kept.parent.mkdir()
    next((tmp_path / "cache" / "json").iterdir()).rename(kept)
    (folder,) = (path.parent for path in kept.glob("*/*/dataset_info.json"))
    for table in folder.glob("*.arrow"):
        table.rename(table.with_name(table.name.replace("json-", "my_name-")))
    information = folder / "dataset_info.json"
    information.write_text(information.read_text().replace('"dataset_name": "json"', '"dataset_name": "my_name"'))
    return folder


def test_what_was_loaded_once_is_read_without_the_hub(offline_cache):
    for name in ("owner/my_name", "owner/my_name:default"):
        splits = hub.read_hub(name, "en", "de")
        assert [pair.tgt for of_split in splits.values() for pair in of_split] == [
            "ein train",
            "ein validation",
            "ein test",
        ]


def test_what_was_downloaded_in_part_is_not_cached(offline_cache):
    assert hub.cached_revisions("owner/my_name") == {offline_cache.name}
    assert hub.cached_revisions("owner/other") == set()
    (offline_cache / "dataset_info.json").unlink()
    assert hub.cached_revisions("owner/my_name") == set()


def test_without_the_hub_only_the_revision_that_is_cached_is_taken(offline_cache):
    assert hub.read_hub("owner/my_name", "en", "de", revision=offline_cache.name)
    with pytest.raises(UserError, match=rf"is {offline_cache.name}, not abc alone; connect, or leave out"):
        hub.read_hub("owner/my_name", "en", "de", revision="abc")


def test_the_revision_and_the_configuration_reach_the_hub(monkeypatch):
    asked = []

    def load(name, configuration, revision):
        asked.append((name, configuration, revision))
        return {name: split("a") for name in ("train", "val", "test")}

    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load)
    hub.read_hub("owner/name", "en", "de", revision="abc123")
    hub.read_hub("owner/name:de-en", "en", "de")
    assert asked == [("owner/name", None, "abc123"), ("owner/name", "de-en", None)]


def test_the_cache_is_looked_through_for_the_dataset_whatever_its_configuration(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "cached_revisions", lambda name: {"abc"} if name == "owner/name" else set())
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {n: split("a") for n in ("train", "val", "test")})
    assert hub.read_hub("owner/name:de-en", "en", "de").keys() == {"train", "val", "test"}


def test_a_dataset_without_a_split_or_a_column_says_what_it_has(monkeypatch):
    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": split("a"), "test": split("b")})
    with pytest.raises(UserError, match="no val split; it has train, test"):
        hub.read_hub("owner/name", "en", "de")
    with pytest.raises(UserError, match=r"owner/name \(train\) has no column 'fr'; it has en, de"):
        hub.read_hub("owner/name", "en", "fr")


@pytest.mark.parametrize("error", [datasets.exceptions.DatasetNotFoundError, ConnectionError, RuntimeError])
def test_a_dataset_that_does_not_load_is_named_in_one_line(monkeypatch, error):
    def load(*_, **__):
        raise error("no such thing\nand more")

    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(UserError, match=r"^cannot load owner/name from the Hugging Face Hub: no such thing and more$"):
        hub.read_hub("owner/name", "en", "de")


def test_pictures_and_sound_beside_the_text_are_not_decoded(monkeypatch):
    class Captions(dict):
        column_names = ("en", "picture", "de")  # asked for a picture, it has none

    captions = Captions(en=["a dog"], de=["ein Hund"])
    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: dict.fromkeys(("train", "val", "test"), captions))
    assert hub.read_hub("owner/name", "en", "de")["train"][0].tgt == "ein Hund"
    with pytest.raises(UserError, match="no column 'fr'; it has en, picture, de"):
        hub.read_hub("owner/name", "en", "fr")
