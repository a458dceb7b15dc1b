import warnings

import numpy as np
import pytest

from pipeline.plots import (
    MODEL_LOOKS,
    Curve,
    DrawnMap,
    GoldLinks,
    Point,
    alignment_figure,
    curves_figure,
    heads_figure,
    model_look,
    model_order,
)


def draw(figure):
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("words", [["안녕", "하세요"], ["Küchentür", "schläft"], ["Größe", "日本"], ["▁Hund", "</s>"]])
def test_every_script_is_drawn_without_empty_boxes(words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font has
        draw(alignment_figure([DrawnMap("제목 über", np.eye(2), words, words)]))


def test_a_character_that_no_font_has_is_said_and_does_not_stop_the_figure():
    with pytest.warns(UserWarning, match="no font on this machine can draw"):
        alignment_figure([DrawnMap("title", np.eye(1), ["\U0001fffd"], ["x"])])


def test_words_stand_on_both_axes():
    figure = alignment_figure([DrawnMap("title", np.array([[0.9, 0.1], [0.2, 0.8]]), ["the", "dog"], ["der", "Hund"])])
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["the", "dog"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["der", "Hund"]


def test_gold_links_are_framed_only_where_there_are_source_words():
    one = DrawnMap("a", np.ones((2, 1)), ["one vector"], ["der", "Hund"])
    both = DrawnMap("b", np.eye(2), ["the", "dog"], ["der", "Hund"])
    figure = alignment_figure([one, both], GoldLinks(sure={(0, 0), (1, 1)}, possible={(1, 0)}))
    assert [len(axis.patches) for axis in figure.axes[:2]] == [0, 3]


def test_every_head_of_every_layer_has_its_own_map():
    maps = [("layer 1", np.full((2, 3, 4), 0.25)), ("layer 2", np.full((2, 3, 4), 0.25))]
    figure = heads_figure(maps, list("abcd"), list("xyz"), "heads")
    assert len([axis for axis in figure.axes if axis.get_images()]) == 4


def test_the_words_of_heads_stand_at_the_left_and_at_the_top_only():
    maps = [("layer 1", np.full((2, 3, 4), 0.25)), ("layer 2", np.full((2, 3, 4), 0.25))]
    axes = draw(heads_figure(maps, list("abcd"), list("xyz"), "heads")).axes
    words = [[label.get_text() for label in (*axis.get_xticklabels(), *axis.get_yticklabels())] for axis in axes]
    assert words == [list("abcdxyz"), list("abcd"), list("xyz"), []]


def test_models_have_their_own_colours_and_the_order_of_the_lesson():
    for of_models in zip(*MODEL_LOOKS.values(), strict=True):  # colours, markers
        assert len(set(of_models)) == len(MODEL_LOOKS)
    assert sorted(["transformer", "mine", "gru_attention_both", "gru_attention", "gru"], key=model_order) == [
        "gru",
        "gru_attention",
        "gru_attention_both",
        "transformer",
        "mine",
    ]
    for own, of_models in zip(model_look("mine"), zip(*MODEL_LOOKS.values(), strict=True), strict=True):
        assert own not in of_models


@pytest.mark.parametrize(("label", "columns"), [("{}", 4), ("GRU, no attention, seed {}", 2), ("x" * 60 + "{}", 1)])
def test_the_legend_of_curves_is_as_wide_as_there_is_room_for(label, columns):
    curves = [Curve(label.format(number), "gru", [Point("1", 1.0)]) for number in range(4)]
    figure = draw(curves_figure(curves, "words", "BLEU", "title"))
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.x1
    assert legend._ncols == columns


def test_curves_show_values_with_their_intervals():
    points = [Point("1–10\nn=7", 50, 40, 60), Point("11–20\nn=1", 30), Point("21+\nn=5", 25)]
    other = [Point(point.place, 10) for point in points]
    curves = [Curve("GRU", "gru", points), Curve("Transformer", "transformer", other)]
    figure = curves_figure(curves, "words", "right (%)", "title", is_percentage=True, first_beyond=2)
    (axis,), (legend,) = figure.axes, figure.legends
    assert axis.lines[0].get_ydata().tolist() == [50, 30, 25]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1–10\nn=7", "11–20\nn=1", "21+\nn=5"]
    assert [text.get_text() for text in legend.get_texts()] == [
        "lengths seen in training",
        "GRU",
        "Transformer",
    ]
    (bar,) = axis.collections
    assert bar.get_segments()[0][:, 1].tolist() == [40, 60]


@pytest.mark.parametrize("title", ["GRU, no attention", "GRU, no attention, best checkpoint"])
def test_a_map_of_one_column_is_wide_enough_for_its_title(title):
    figure = alignment_figure([DrawnMap(title, np.ones((3, 1)), ["one vector"], ["a", "b", "c"])])
    figure.draw_without_rendering()
    box = figure.axes[0].title.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
