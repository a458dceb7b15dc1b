"""Charts stand where arithmetic says."""

import pytest

from pipeline.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, StepLine, length_chart, loss_chart
from pipeline.plots import MODEL_LOOKS, Curve, Point

FLOOR, CEILING = HEIGHT - BOTTOM, TOP


def test_half_of_the_top_is_half_way_up_and_intervals_surround_it():
    curve = Curve("a model", "gru", [Point("1–10\nn=3", 50.0, 25.0, 100.0), Point("11–20\nn=4", 0.0, 0.0, 0.0)])
    chart = length_chart("Exact match", [curve], "%", top=100, first_beyond=1)
    half, zero = chart.lines[0].marks
    assert half.y == pytest.approx((FLOOR + CEILING) / 2)
    assert (half.low, half.high) == (pytest.approx(FLOOR - (FLOOR - CEILING) / 4), CEILING)
    assert zero.y == FLOOR
    assert half.text == "1–10 n=3: 50 [25, 100]"
    assert chart.shaded == (LEFT, pytest.approx((LEFT + WIDTH - RIGHT) / 2))
    assert [tick.text for tick in chart.x_ticks] == [("1–10", "n=3"), ("11–20", "n=4")]
    assert chart.lines[0].colour == MODEL_LOOKS["gru"].colour


def test_the_largest_value_is_the_top():
    curves = [Curve(model, model, [Point("1", most / 2), Point("2", most)]) for model, most in (("gru", 3), ("x", 4))]
    gru, other = length_chart("BLEU", curves, "BLEU").lines
    assert other.marks[1].y == CEILING < gru.marks[1].y


def test_losses_are_drawn_on_a_logarithmic_axis():
    line = StepLine("a", "gru", [[0, 10.0], [50, 1.0], [100, 0.1], [100, 0.0]], is_faint=True)
    chart = loss_chart("Loss", [line], "nats")
    marks = chart.lines[0].marks
    assert [mark.y for mark in marks] == pytest.approx([CEILING, (CEILING + FLOOR) / 2, FLOOR], abs=0.1)
    assert [mark.x for mark in marks] == pytest.approx([LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT], abs=0.1)
    assert ("1",) in [tick.text for tick in chart.y_ticks]
    assert [tick.text[0] for tick in chart.x_ticks] == ["0", "20", "40", "60", "80", "100"]


def test_one_loss_alone_has_a_place():
    chart = loss_chart("Loss", [StepLine("a", "gru", [[7, 2.0]], is_faint=False)], "nats")
    assert CEILING <= chart.lines[0].marks[0].y <= FLOOR


@pytest.mark.parametrize(("least", "most"), [(1.6, 3.6), (2.0, 3.7), (2.52, 3.94), (0.9, 1.1)])
def test_losses_that_are_close_have_numbers_on_their_axis(least, most):
    line = StepLine("a", "gru", [[0, most], [100, least]], is_faint=False)
    ticks = loss_chart("Loss", [line], "nats").y_ticks
    assert len(ticks) >= 3
    assert all(CEILING <= tick.at <= FLOOR for tick in ticks)
    assert all(least <= float(tick.text[0]) <= most for tick in ticks)


def test_two_runs_of_one_model_have_its_colour_and_other_dashes():
    curves = [Curve(f"seed {seed}", "gru", [Point("1", 1.0), Point("2", 2.0)]) for seed in (1, 2)]
    first, second = length_chart("BLEU", curves, "BLEU").lines
    assert first.colour == second.colour
    assert first.dashes != second.dashes


def test_models_of_ones_own_are_told_apart_with_colour_and_without():
    names = (*MODEL_LOOKS, "my own", "my other")
    curves = [Curve(name, name, [Point("1", 1.0)]) for name in names]
    lines = length_chart("BLEU", curves, "BLEU").lines
    assert len({line.colour for line in lines}) == len({line.shape for line in lines}) == len(names)
