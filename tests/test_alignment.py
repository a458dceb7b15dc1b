import math

import numpy as np
import pytest

from pipeline.alignment import (
    AlignmentCounts,
    best_single_links,
    count_links,
    diagonal_links,
    expected_by_chance,
    format_pharaoh,
    merge_to_words,
    parse_pharaoh,
    read_at,
    sharpness,
    strongest_links,
)
from pipeline.data.corpus import Link
from pipeline.errors import UserError

# "the small house" → "das kleine Haus": an article that also depends on its noun, an adjective, a noun.
GOLD = (
    Link(0, 0, True, "article"),
    Link(2, 0, False, "article"),
    Link(1, 1, True, "adjective"),
    Link(2, 2, True, "word"),
)


def total(counts: dict[str, AlignmentCounts]) -> AlignmentCounts:
    return AlignmentCounts(*np.sum(list(counts.values()), axis=0))


def test_a_source_word_gets_the_sum_and_a_target_word_the_mean_of_its_pieces():
    weights = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    merged = merge_to_words(weights, src_word_of=[0, 0, 1], tgt_word_of=[0, 0, 1])
    np.testing.assert_allclose(merged, [[0.45, 0.55], [1.0, 0.0]])
    np.testing.assert_allclose(merge_to_words(weights[:, :2], [0, 0], [0, 0, 1]), [[0.45], [1.0]])  # a single word


def test_rows_still_sum_to_one():
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=4)
    merged = merge_to_words(weights, [0, 1, 1, 1, 2], [0, 1, 1, 2])
    np.testing.assert_allclose(merged.sum(1), 1)


def test_all_heads_are_merged_at_once_as_each_alone():
    heads = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 4))
    merged = merge_to_words(heads, [0, 1, 1], [0, 0, 1, 2])
    for head, alone in zip(merged, heads, strict=True):
        np.testing.assert_allclose(head, merge_to_words(alone, [0, 1, 1], [0, 0, 1, 2]))


def test_one_state_stays_one_column():
    assert merge_to_words(np.ones((3, 1)), [0, 1, 1], [0, 0, 1]).tolist() == [[1.0], [1.0]]


def test_the_two_readings_are_one_step_apart():
    weights = np.arange(3)[:, None] * np.ones((1, 2))  # rows that predict y_1, y_2 and the end
    assert read_at(weights, "predicting")[:, 0].tolist() == [0, 1]
    assert read_at(weights, "input")[:, 0].tolist() == [1, 2]


def test_the_strongest_source_word_of_each_target_word_is_linked():
    assert strongest_links(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])) == {(0, 0), (2, 1)}


def test_scores_are_those_of_a_hand_computation():
    # Proposed: the article by its noun (possible), the adjective right, the noun wrong, and a word that has no link.
    counts = total(count_links({(2, 0), (1, 1), (0, 2), (1, 3)}, GOLD))
    assert counts == AlignmentCounts(proposed=4, sure=3, proposed_sure=1, proposed_possible=2)
    assert counts.error_rate == pytest.approx(1 - (1 + 2) / (4 + 3))
    assert counts.precision == pytest.approx(2 / 4)
    assert counts.recall == pytest.approx(1 / 3)


def test_the_sure_links_alone_have_no_error():
    assert total(count_links({(0, 0), (1, 1), (2, 2)}, GOLD)).error_rate == 0


def test_each_target_word_counts_under_its_own_phenomenon():
    counts = count_links({(2, 0), (1, 1), (0, 3)}, iter(GOLD))
    assert counts["article"] == AlignmentCounts(1, 1, 0, 1)
    assert counts["adjective"].error_rate == 0
    assert counts["word"] == AlignmentCounts(0, 1, 0, 0)
    assert counts["word"].precision is None
    assert counts["unaligned"] == AlignmentCounts(1, 0, 0, 0)
    assert counts["unaligned"].recall is None


def test_chance_is_the_mean_over_every_source_word():
    by_hand = [total(count_links({(a, 0), (b, 1), (c, 2)}, GOLD)) for a in range(3) for b in range(3) for c in range(3)]
    expected = np.mean(by_hand, axis=0)
    np.testing.assert_allclose(total(expected_by_chance(3, 3, GOLD)), expected)


def test_the_best_single_links_prefer_sure_ones():
    assert best_single_links(3, GOLD) == {(0, 0), (1, 1), (2, 2)}
    assert best_single_links(1, GOLD[1:2]) == {(2, 0)}


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [((3, 3), {(0, 0), (1, 1), (2, 2)}), ((4, 2), {(1, 0), (3, 1)}), ((1, 2), {(0, 0), (0, 1)})],
)
def test_the_diagonal_goes_from_the_first_word_to_the_last(lengths, expected):
    assert diagonal_links(*lengths) == expected


def test_pharaoh_format_goes_there_and_back():
    links = parse_pharaoh("0-0 2p1 10-3", "gold, line 1")
    assert [(link.src, link.tgt, link.is_sure) for link in links] == [(0, 0, True), (2, 1, False), (10, 3, True)]
    assert format_pharaoh({(link.src, link.tgt) for link in links}) == "0-0 2-1 10-3"
    assert format_pharaoh({(2, 0), (0, 1), (0, 0)}) == "0-0 2-0 0-1"  # by target word, then by source word
    assert parse_pharaoh("", "gold, line 2") == ()


@pytest.mark.parametrize("wrong", ["0-", "a-b", "1", "1-2-3", "-1-0"])
def test_a_link_that_is_none_is_named_with_its_line(wrong):
    with pytest.raises(UserError, match=r"gold, line 7: .* is not a link; expected i-j \(sure\) or ipj"):
        parse_pharaoh(f"0-0 {wrong}", "gold, line 7")


def test_shape_of_a_map():
    weights = np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.0, 0.0, 0.5]])  # three source words and the end
    shape = sharpness(weights)
    assert shape.entropy == pytest.approx((math.log(4) + math.log(2)) / 2)
    assert shape.on_end == pytest.approx(0.375)
    assert shape.coverage == pytest.approx((0.75 + 0.25 + 0.25) / 3)
    assert sharpness(np.array([[1.0, 0.0, 0.0]] * 2)).coverage == 0.5  # a word that is read twice counts once
