"""Words of the report that were written elsewhere: the pages of the claims, and tables in Markdown."""

import ast

from pipeline.claim_texts import PAGES, _read, claim_texts, first_sentences
from pipeline.markdown_blocks import Paragraph, Table, blocks_of, markdown_table, table_of


def test_every_page_says_what_was_done_what_decides_and_what_it_does_not_show():
    texts = claim_texts()
    assert [text.name for text in texts] == [f"C{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 0)]
    for text in texts:
        for section in ("Set-up", "Criterion", "What this does not show"):
            assert len(text.sections.get(section, "")) > 100, f"{text.name} has no {section}"


def test_all_words_of_a_page_are_kept():
    for page, text in zip(sorted(PAGES.glob("c[1-8]_*.py")), claim_texts(), strict=False):
        docstring = ast.get_docstring(ast.parse(page.read_text(encoding="utf-8")))
        words = "".join(docstring.split("\n\n", 1)[1].split())
        kept = sum(len("".join((name + text).split())) for name, text in text.sections.items())
        assert len(words) - kept <= len(text.sections), page  # a colon after each name


def test_a_section_may_have_several_paragraphs_and_another_mark_than_a_colon():
    text = _read("C9: a thing.\n\nSet-up. states: one.\n\nMore\nof it.\n\nCriterion (primary): two.")
    assert (text.name, text.title) == ("C9", "a thing")
    assert text.sections == {"Set-up": "States: one. More of it.", "Criterion": "(primary): two."}


def test_sentences_end_before_a_capital_letter():
    text = "Cho et al. 2014 see 1.5 points. *One* class? It is so. And the rest."
    assert first_sentences(text, 2) == ("Cho et al. 2014 see 1.5 points. *One* class?", "It is so. And the rest.")
    assert first_sentences("Only one.", 2) == ("Only one.", "")


def test_a_table_comes_back_from_markdown():
    rows = [["a | b", "1.0"], ["c", "20.0"]]
    assert table_of(markdown_table(["model", "BLEU"], rows)) == Table(["model", "BLEU"], [False, True], rows)


def test_blocks_are_told_apart():
    assert blocks_of("## One\n\nTwo\nlines.\n\n") == [Paragraph("One"), Paragraph("Two\nlines.")]
