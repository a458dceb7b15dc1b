"""The report, from run folders to one HTML file; in a browser where there is one."""

import base64
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipeline import report_content
from pipeline.claim_texts import claim_texts
from pipeline.data.corpus import Link, SentencePair
from pipeline.errors import UserError
from pipeline.evaluation_tables import first_beyond, length_curves, only_of
from pipeline.json_files import read_json
from pipeline.pages import _inline
from pipeline.report_claims import claim_reports
from pipeline.report_content import find_corpora, nats_of_runs
from scripts import explorer, report
from scripts.report import write_bertviz, write_report
from tests.commands import ROOT
from tests.tiny_runs import finish_run, write_run, write_text_corpus

HOSTILE = "</script><img src=x onerror=window.hacked=1> <!-- \u2028 {{ 7 * 7 }} &amp; .".replace("\u2028 ", "")
KOREAN = "내 개가 잔다 ."
PAIRS = [
    SentencePair("the dog sleeps .", "der Hund schläft .", (Link(1, 1, True, "word"), Link(0, 1, False, "word"))),
    SentencePair(HOSTILE, "<b>fett</b> $x$ ."),
    SentencePair(KOREAN, "mein Hund schläft ."),
]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs of three models, as make train leaves them, and the report on them."""
    folder = tmp_path_factory.mktemp("report")
    write_text_corpus(folder / "little")
    for model in ("gru", "gru_attention", "transformer"):
        finish_run(write_run(folder / "runs", folder / "little", model), PAIRS)
    published = folder / "published"
    published.mkdir()
    for path in (ROOT / "results" / "claims").glob("*.json"):
        shutil.copyfile(path, published / path.name)
    Image.new("RGB", (3, 2), "#D55E00").save(published / "C1.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(report, "PUBLISHED_CLAIMS", published)
        patch.setenv("OMP_NUM_THREADS", "1")
        write_report(folder / "runs", folder / "runs" / "claims", folder / "index.html")
        yield folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def test_maps_that_the_system_did_not_let_be_computed_say_what_to_do(monkeypatch):
    killed = SimpleNamespace(returncode=-signal.SIGKILL)
    monkeypatch.setattr(report.subprocess, "run", lambda command: killed)
    with pytest.raises(UserError, match=r"computed: python -m scripts.explorer was ended by SIGKILL .* with more"):
        report._compute_maps(Path("runs/toy"))


def test_the_page_needs_nothing_beside_itself(page):
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert set(re.findall(r"""(?:src|href)="(?!#)([^:,]{1,20})""", page)) <= {"data", "data:"}
    assert len(page.encode()) < 5_000_000


def test_text_of_corpora_is_data_and_never_markup(page):
    assert "<img src=x" not in page
    assert "<b>fett" not in page
    data = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', page, re.DOTALL)[1]
    sentences = json.loads(data)[0]["sentences"]
    assert HOSTILE in [sentence["src"] for sentence in sentences]
    assert KOREAN in [sentence["src"] for sentence in sentences]


def test_what_was_not_run_is_said_and_published_claims_stand_in(page):
    assert "Not run yet: make evaluate" in page
    assert page.count("Published with the project, not computed here") == len(claim_texts())
    assert "Not run yet: make claims" not in page


def test_the_table_of_claims_has_what_each_says_and_how_its_findings_came_out(page):
    (row,) = re.findall(r'<tr><th scope="row"><a href="#C1">.*?</tr>', page, re.DOTALL)
    found = [finding["outcome"] for finding in read_json(report.PUBLISHED_CLAIMS / "C1.json")["findings"]]
    counts = [str(found.count(outcome)) for outcome in ("passes", "fails", "undecided")]
    assert re.findall(r'<td class="number">(\d+)</td>', row) == counts
    assert "loses early information" in row


def test_how_to_read_the_findings_stands_once_for_all_claims(page):
    assert page.count("Every finding and its threshold") > 1
    assert page.count("3 / n") == 1


def test_scores_and_settings_of_the_runs_are_shown(page):
    assert "70.2" in page
    assert "Same initial weights (abababab): GRU, no attention, GRU + attention, Transformer." in page
    row = re.search(r'<tr class="differs"><th scope="row">memory</th>(.*?)</tr>', page)[1]
    assert re.findall(r"<td>(.*?)</td>", row)[:2] == ["last", "all"]


def test_settings_that_describe_no_model_are_named(tmp_path):
    (tmp_path / "config.yaml").write_text("model: 7")
    with pytest.raises(UserError, match=r"config.yaml does not describe a model"):
        report_content._settings([tmp_path])


def test_claims_of_this_checkout_come_before_the_published_ones(tmp_path):
    content = json.loads((ROOT / "results" / "claims" / "C1.json").read_text(encoding="utf-8"))
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "C1.json").write_text(json.dumps(content | {"verdict": "fails", "why": "<i>why</i>"}))
    reports = claim_reports([tmp_path / "full", tmp_path / "quick"], tmp_path / "nothing")
    assert [(r.text.name, r.content["verdict"] if r.content else None) for r in reports[:2]] == [
        ("C1", "fails"),
        ("C2", None),
    ]
    assert len(reports[0].findings.rows) == len(content["findings"])
    assert reports[0].figure == ""


def test_the_figure_of_a_claim_keeps_its_colours(page):
    (encoded,) = re.findall(r'<img src="data:image/webp;base64,(.*?)"', page)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.convert("RGB").getcolors() == [(6, (0xD5, 0x5E, 0x00))]


def test_intervals_come_from_the_evaluation_and_an_old_one_is_said_to_be_old(folder, tmp_path):
    copied = tmp_path / "runs"
    shutil.copytree(folder / "runs" / "little", copied / "little")
    published = ROOT / "results" / "toy" / "evaluation" / "evaluation.json"
    target = copied / "little" / "evaluation" / "test" / "evaluation.json"
    target.parent.mkdir(parents=True)
    shutil.copyfile(published, target)
    os.utime(target, (0, 0))  # as a copy of all may have it
    evaluation = json.loads(published.read_text(encoding="utf-8"))
    runs = sorted(copied.glob("little/*/seed1"))
    for run in runs:
        results = json.loads((run / "results.json").read_text())
        results["nats_per_token"]["test"] = nats_of_runs(evaluation)[run.parent.name, 1]
        (run / "results.json").write_text(json.dumps(results))
    (of_little,) = find_corpora(copied)
    corpus = report.corpus_report(of_little)
    exact = evaluation["scores"]["models"]["gru"]["exact_match"]
    shown = next(group for group in corpus.scores if "Exact" in group.heading).of_models[0]
    assert (shown.value, shown.low, shown.high) == tuple(100 * exact[end] for end in ("value", "low", "high"))
    curve = length_curves(evaluation["scores"]["by_length"], "exact_match")[0]
    assert len(corpus.lengths[0].lines[0].marks) == len(curve.points)
    assert corpus.tables
    assert corpus.note == ""
    page = report.report_page([corpus], [], "2020-02-29")
    assert f"<summary>The evaluation</summary>\n<p><code>{evaluation['command']}</code></p>" in page
    results["nats_per_token"]["test"] += 0.01  # trained anew, perhaps while the old weights were scored
    (run / "results.json").write_text(json.dumps(results))
    assert "is of other weights than some of the runs have now" in report.corpus_report(of_little).note


def test_rendering_again_needs_no_torch_and_computes_no_maps(folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from scripts.report import write_bertviz, write_report\n"
        "import scripts.report; scripts.report.PUBLISHED_CLAIMS = Path('none')\n"
        f"write_report(Path({str(folder / 'runs')!r}), Path('none'), Path({str(tmp_path / 'again.html')!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "computing" not in done.stdout
    assert (tmp_path / "again.html").is_file()


def test_a_run_that_was_trained_anew_has_its_maps_computed_however_old_it_is(folder, monkeypatch, tmp_path):
    asked = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(report, "_compute_maps", asked.append)
    results = folder / "runs" / "little" / "gru" / "seed1" / "results.json"
    was = results.read_text()
    results.write_text(f"{was}\n")
    os.utime(results, (0, 0))
    write_report(folder / "runs", folder / "none", tmp_path / "index.html")
    results.write_text(was)
    write_report(folder / "runs", folder / "none", tmp_path / "index.html")
    assert asked == [folder / "runs" / "little"]


def test_maps_of_a_run_that_is_gone_are_computed_anew(folder, tmp_path):
    shutil.copytree(folder / "runs" / "little", tmp_path / "little")
    (corpus,) = find_corpora(tmp_path)
    assert report._is_up_to_date(corpus)
    assert not report._is_up_to_date(corpus._replace(runs=corpus.runs[1:]))


def test_maps_of_other_code_are_computed_anew(folder, monkeypatch):
    (corpus,) = find_corpora(folder / "runs")
    assert report._is_up_to_date(corpus)
    monkeypatch.setattr(
        "pipeline.report_content._EXPLORER_CODE", ("explorer",)
    )  # as if the others were not as they are
    assert not report._is_up_to_date(corpus)


def test_a_report_on_part_of_a_corpus_is_on_that_part_only_and_leaves_the_data_of_all(folder, monkeypatch, tmp_path):
    shutil.copytree(folder / "runs" / "little", tmp_path / "little")
    whole = (tmp_path / "little" / "explorer.json").read_bytes()
    evaluation = tmp_path / "little" / "evaluation" / "test" / "evaluation.json"
    evaluation.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "results" / "toy" / "evaluation" / "evaluation.json", evaluation)
    asked = []

    def compute(part):
        asked.append(part)
        monkeypatch.setattr("sys.argv", ["explorer", str(part)])
        explorer.main()

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(report, "_compute_maps", compute)
    for _ in range(2):
        write_report(tmp_path / "little" / "transformer", tmp_path / "none", tmp_path / "index.html")
    assert asked == [tmp_path / "little" / "transformer"]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Transformer" in page
    assert "Transformer, untrained" in page
    assert not re.findall(r"<th[^>]*>GRU.*?</th>|<td[^>]*>GRU.*?</td>|<text[^>]*>GRU.*?</text>", page)
    (data,) = json.loads(re.search(r'id="explorer-data">(.*?)</script>', page, re.DOTALL)[1])
    assert [model["name"] for model in data["models"]] == ["transformer"]
    assert (tmp_path / "little" / "explorer.json").read_bytes() == whole
    write_report(tmp_path / "little", tmp_path / "none", tmp_path / "index.html")
    assert len(asked) == 1


def test_an_evaluation_of_other_models_only_is_none_of_a_part():
    content = json.loads((ROOT / "results" / "toy" / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    assert only_of(content, {"gru_mean"}) is None


def test_without_runs_the_command_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="train the models first: make train"):
        write_report(tmp_path, tmp_path, tmp_path / "index.html")


def test_prose_may_be_marked_but_brings_no_markup():
    marked = _inline("**a** of `b < c` is *so* <i>d</i> 2 * 3 * 4")
    assert _inline("**`a*b`** and `7*d`") == "<strong><code>a*b</code></strong> and <code>7*d</code>"
    assert marked == ("<strong>a</strong> of <code>b &lt; c</code> is <em>so</em> &lt;i&gt;d&lt;/i&gt; 2 * 3 * 4")


def test_bertviz_gets_a_tensor_per_layer_for_models_with_attention(folder, tmp_path):
    write_bertviz(folder / "runs", tmp_path / "bertviz")
    names = sorted(path.name for path in (tmp_path / "bertviz").iterdir())
    assert names == [f"little-{model}-{n}.json" for model in ("gru_attention", "transformer") for n in (1, 2, 3)]
    (arguments,) = (
        content
        for path in (tmp_path / "bertviz").glob("*transformer*")
        if (content := json.loads(path.read_text(encoding="utf-8")))["encoder_tokens"][0] == "the"
    )
    assert arguments["decoder_tokens"] == ["der", "Hund", "schläft", ".", "</s>"]
    assert [np.shape(layer) for layer in arguments["cross_attention"]] == [(1, 2, 5, 5)] * 2
    assert [np.shape(layer) for layer in arguments["encoder_attention"]] == [(1, 2, 5, 5)] * 2
    assert np.sum(arguments["cross_attention"][1], axis=-1) == pytest.approx(1, abs=0.03)


def outcome_in_browser(page: str, tmp_path, actions: str) -> dict:
    """What `actions`, JavaScript that fills `seen`, finds in the page; with `seen.errors` of the console."""
    watch = """<script>const seen = {errors: []};
        addEventListener("error", (event) => seen.errors.push(event.message));
        console.error = (...words) => seen.errors.push(words.join(" "));</script>"""
    helpers = """<script>
        const at = (id) => document.getElementById(id);
        const choose = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("change")); };
        const texts = (query) => [...document.querySelectorAll(query)].map((element) => element.textContent);
        const weightsOf = (row) => [...document.querySelectorAll(".panel:nth-child(3) tbody tr")[row].children]
            .slice(1).map((cell) => cell.style.getPropertyValue("--a"));
        """
    write = '</script><script>document.body.innerHTML = ""; document.title = JSON.stringify(seen);</script></body>'
    path = tmp_path / "watched.html"
    path.write_text(page.replace("<head>", "<head>" + watch).replace("</body>", helpers + actions + write))
    done = subprocess.run(
        [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            "--window-size=390,844",  # Chromium makes it 500 at least
            *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'user'}"),
            *("--virtual-time-budget=5000", "--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return json.loads(html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1]))


ACTIONS = """
    seen.start = texts(".panel h4");
    choose("sentence", String([...at("sentence").options].findIndex((option) => option.text.includes("the dog"))));
    seen.vector = texts(".panel:nth-child(1) thead span");
    seen.columns = texts(".panel:nth-child(2) thead span");
    // Upright, Hangul would stand on its head in a heading that is turned round.
    seen.turned = getComputedStyle(document.querySelector(".panel:nth-child(2) thead th")).textOrientation;
    seen.framed = document.querySelectorAll(".panel:nth-child(2) .gold, .panel:nth-child(2) .possible").length;
    const row = document.querySelector('.panel:nth-child(3) tr[data-row="2"] td');
    row.dispatchEvent(new PointerEvent("pointerover", {bubbles: true, pointerType: "touch"}));
    seen.touched = texts("tr.lit th");
    row.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
    seen.lit = texts("tr.lit th");
    seen.pressed = texts('#target [aria-pressed="true"]');
    seen.reads = texts(".reads");
    seen.spoken = at("spoken").textContent;
    seen.languages = [...document.querySelectorAll(".panel:nth-child(3) th")].map((word) => word.lang);
    row.nextElementSibling.click();
    seen.cell = texts(".panel:nth-child(3) .reads");
    seen.title = row.nextElementSibling.title;
    at("target").querySelector('[aria-pressed="true"]').focus();
    const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    press("ArrowRight");
    seen.right = texts('#target [aria-pressed="true"]');
    press("Home");
    seen.home = texts('#target [aria-pressed="true"]');
    seen.focused = document.activeElement.textContent;
    seen.tabbable = at("target").querySelectorAll('[tabindex="0"]').length;
    seen.mean = weightsOf(1);
    choose("layer", "cross-attention, layer 2");
    choose("head", "1");
    seen.head = weightsOf(1);
    choose("kind", "saliency");
    seen.salient = texts(".panel:nth-child(1) thead span");
    seen.layers = at("layer").disabled;
    choose("kind", "encoder");
    seen.none = texts(".none").length;
    seen.queries = texts(".panel:nth-child(3) tbody th");
    choose("kind", "cross");
    at("sentence").selectedIndex = [...at("sentence").options].findIndex((option) => option.text.includes("script"));
    at("sentence").dispatchEvent(new Event("change"));
    seen.hostile = texts("#target button")[0];
    seen.hacked = window.hacked === 1 || document.querySelectorAll("img[src=x], #explorer b").length > 0;
    seen.width = [document.documentElement.scrollWidth, window.innerWidth];
    at("theme").click();
    seen.theme = document.documentElement.style.colorScheme;
"""


@needs_browser
def test_the_explorer_answers_to_pointer_keys_and_switches(page, folder, tmp_path):
    seen = outcome_in_browser(page, tmp_path, ACTIONS)
    assert seen["errors"] == []
    assert seen["start"] == ["GRU, no attention", "GRU + attention", "Transformer"]
    assert seen["vector"] == ["one vector"]
    assert seen["columns"] == ["the", "dog", "sleeps", ".", "</s>"]
    assert seen["turned"] == "sideways"
    assert seen["framed"] == 2
    assert seen["touched"] == ["der"] * 3, "a finger that scrolls has chosen a word"
    assert seen["lit"] == ["schläft"] * 3
    said = [f"{label}: {text.replace('←', 'from')}" for label, text in zip(seen["start"], seen["reads"], strict=True)]
    assert seen["spoken"] == ". ".join(said)
    assert seen["languages"] == ["en"] * 5 + ["de"] * 5
    assert seen["cell"] == [seen["title"]]
    assert seen["title"].startswith("schläft ← dog: 0.")
    assert seen["pressed"] == ["schläft"]
    assert all(text.startswith("schläft ← ") for text in seen["reads"])
    assert (seen["right"], seen["home"], seen["focused"], seen["tabbable"]) == (["."], ["der"], "der", 1)
    (model,) = (
        m
        for m in json.loads((folder / "runs" / "little" / "explorer.json").read_text())["models"]
        if m["name"] == "transformer"
    )
    maps = next(s for s in model["sentences"] if s["src"][0] == "the")["cross"]
    heads = [head[1] for m in maps for head in m["heads"]]
    assert [float(a) for a in seen["mean"]] == pytest.approx(
        [sum(column) / 400 for column in zip(*heads, strict=True)], abs=1e-3
    )
    assert [float(a) for a in seen["head"]] == pytest.approx([w / 100 for w in maps[1]["heads"][1][1]])
    assert seen["salient"] == ["the", "dog", "sleeps", ".", "</s>"]
    assert seen["layers"] is True
    assert seen["none"] == 2
    assert seen["queries"] == ["the", "dog", "sleeps", ".", "</s>"]
    assert seen["hostile"] == "<b>fett</b>"
    assert seen["hacked"] is False
    assert seen["theme"] == "dark"
    assert seen["width"][0] <= seen["width"][1] < 600, "the page is wider than a narrow window"


@pytest.mark.parametrize(
    ("beyond", "place"), [([False, False, True], 2), ([False, False, False], None), ([True, True, True], None)]
)
def test_the_boundary_is_drawn_where_bands_are_on_both_sides_of_it(beyond, place):
    assert first_beyond([{"n": 50, "beyond_training": is_beyond} for is_beyond in beyond]) == place
