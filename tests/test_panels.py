import numpy as np
import pytest

from pipeline.panels import BarPanel, Line, LinePanel, MatrixPanel, panels_figure, save_panels

LINES = LinePanel(
    "lines",
    "words",
    "right (%)",
    [Line("GRU", [1, 2], [3, 4], [2, 3], [4, 5], model="gru"), Line("other", [1, 2], [1, 1], dashed=True)],
    shaded=(1, 2),
    marked=3.0,
)
MATRIX = MatrixPanel("matrix", [[0.0, 1.0], [1e-3, 0.5]], "j", "i", log=True, numbers=True)
BARS = BarPanel("bars", "nats", ["a", "b"], [1, 2], [0.5, 1.5], [1.5, 2.5], models=["gru", None])


def test_every_kind_of_panel_is_drawn_with_its_title_and_labels():
    figure = panels_figure("heading", [LINES, MATRIX, BARS, LINES])
    axes = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in axes] == ["lines", "matrix", "bars", "lines"]
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("words", "right (%)")
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["seen in training", "GRU", "other"]
    figure.draw_without_rendering()


def test_a_model_has_its_colour_and_other_lines_get_others():
    axis = panels_figure("", [LINES]).axes[0]
    assert axis.lines[1].get_color() == "#D55E00"
    assert axis.lines[2].get_color() != "#D55E00"


@pytest.mark.parametrize("y_log", [False, True])
def test_a_line_under_others_is_wider_and_so_seen(y_log):
    one, same, other = ([1.0, 4.0, 50.0], [1.01, 4.01, 50.0], [1.0, 9.0, 50.0])
    lines = [Line(str(number), [1, 2, 3], y) for number, y in enumerate((one, same, other, one))]
    axis = panels_figure("", [LinePanel("", "", "", lines, y_log=y_log)]).axes[0]
    widths = [line.get_linewidth() for line in axis.lines]
    assert widths[0] > widths[1] > widths[3]
    assert widths[2] == widths[3]


def test_on_a_logarithmic_scale_0_alone_is_white_and_numbers_are_legible():
    matrix = [[0.0, 1e-3, 1e-2], [0.1, 0.3, 1.0]]
    axis = panels_figure("", [MatrixPanel("", matrix, "", "", log=True, numbers=True)]).axes[0]
    (image,) = axis.images
    shades = {value: image.cmap(image.norm(value))[:3] for value in (1e-3, 1e-2, 0.1, 0.3, 1.0)}
    assert max(sum(shade) for shade in shades.values()) < 2.9  # white is 3
    darkness = {float(text.get_text()): text.get_color() for text in axis.texts if text.get_text() != "0"}
    assert darkness == {value: "white" if sum(shade) < 1.5 else "black" for value, shade in shades.items()}


def test_shares_lie_between_0_and_100_their_intervals_too():
    lines = LINES._replace(lines=[Line("always right", [1, 2], [100, 100], [100, 100], [100, 100])])
    bars = BarPanel("", "exact (%)", ["a", "b"], [99, 1], [96, -2], [102, 4])
    axes = panels_figure("", [lines, bars]).axes
    assert [axis.get_ylim() for axis in axes] == [(-3, 103), (0, 103)]
    (intervals,) = axes[1].collections
    assert [[y for _, y in segment] for segment in intervals.get_segments()] == [[96, 100], [0, 4]]


def test_a_legend_of_many_entries_covers_no_line():
    few, many = ([Line(str(n), [1, 2], [n, n]) for n in range(count)] for count in (4, 5))
    figure = panels_figure("", [LinePanel("", "", "", lines) for lines in (few, many)])
    figure.draw_without_rendering()
    inside, under = (axis.get_legend().get_window_extent().y1 - axis.bbox.y0 for axis in figure.axes)
    assert inside > 0 > under


def test_bars_of_one_colour_are_told_apart_by_hatches():
    panel = BarPanel("", "", ["a", "b"], [1, 2], models=["transformer"] * 2, hatched=[False, True])
    plain, hatched = panels_figure("", [panel]).axes[0].patches
    assert plain.get_facecolor() == hatched.get_facecolor()
    assert not plain.get_hatch()
    assert hatched.get_hatch()


def test_ticks_between_whole_numbers_are_whole():
    axis = panels_figure("", [LinePanel("", "", "", [Line("a", [-2, -1, 0, 1, 2], [1, 2, 3, 2, 1])])]).axes[0]
    assert all(float(tick).is_integer() for tick in axis.get_xticks())


@pytest.mark.parametrize(
    "panel",
    [LINES._replace(lines=[]), LINES._replace(lines=[Line("", [], [])]), MATRIX._replace(matrix=np.zeros((2, 2)))],
)
def test_panels_without_numbers_are_drawn_empty(panel):
    panels_figure("", [panel]).draw_without_rendering()


def test_the_foot_stands_below_all_panels_and_no_line_of_it_is_wider_than_the_figure():
    figure = panels_figure("heading", [LINES], ["seeds 1–3, " * 30, "on captions"])
    figure.draw_without_rendering()
    foot = figure.get_supxlabel()
    assert foot.endswith("\non captions")
    (text,) = [text for text in figure.texts if text.get_text() == foot]
    box, (axis,) = text.get_window_extent(), figure.axes
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= axis.xaxis.label.get_window_extent().y0


def test_minus_zero_is_written_as_0():
    axis = panels_figure("", [MatrixPanel("", [[-0.0, -0.5]], "", "", numbers=True)]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0", "-0.5"]


def test_a_figure_is_drawn_again_only_where_something_is_new(tmp_path):
    path = tmp_path / "figure.png"
    assert save_panels(path, "heading", [LINES, BARS])
    first = path.read_bytes()
    assert not save_panels(path, "heading", [LINES, BARS])
    assert path.read_bytes() == first
    assert save_panels(path, "another heading", [LINES, BARS])
    assert save_panels(path, "another heading", [LINES._replace(marked=2.0), BARS])
    assert save_panels(path, "another heading", [LINES, BARS], ["seeds 1–3"])
    path.write_bytes(b"broken")
    assert save_panels(path, "heading", [LINES, BARS])
