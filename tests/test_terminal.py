import numpy as np

from pipeline.plots import DrawnMap
from pipeline.terminal import map_text


def test_words_stand_over_their_columns_and_before_their_rows():
    shown = DrawnMap("title", np.array([[1.0, 0.0], [0.3, 0.7]]), ["the", "dog"], ["der", "Hund"])
    assert map_text(shown).split("\n") == [
        "title",
        "     t d",
        "     h o",
        "     e g",
        "der  ██",
        "Hund ░░▓▓",
    ]


def test_a_map_whose_weights_are_all_small_is_dark_where_it_has_most():
    shown = DrawnMap("", np.array([[0.2, 0.1], [0.0, 0.05]]), ["the", "dog"], ["der", "Hund"], darkest=0.2)
    assert map_text(shown).split("\n")[-2:] == ["der  ██▒▒", "Hund   ░░"]


def test_wide_letters_take_two_cells_and_columns_stay_straight():
    shown = DrawnMap("", np.eye(2), ["나", "a"], ["東京", "b"])
    assert map_text(shown).split("\n")[1:] == ["     나a", "東京 ██", "b      ██"]


def test_one_vector_is_one_column_under_its_name():
    shown = DrawnMap("", np.ones((1, 1)), ["one vector"], ["der"])
    assert map_text(shown).split("\n")[1:] == ["    one vector", "der ██"]
