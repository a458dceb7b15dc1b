import numpy as np

from pipeline.alignment import merge_to_words


def test_a_source_word_gets_the_sum_and_a_target_word_the_mean_of_its_pieces():
    weights = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    merged = merge_to_words(weights, src_word_of=[0, 0, 1], tgt_word_of=[0, 0, 1])
    np.testing.assert_allclose(merged, [[0.45, 0.55], [1.0, 0.0]])


def test_rows_still_sum_to_one():
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=4)
    merged = merge_to_words(weights, [0, 1, 1, 1, 2], [0, 1, 1, 2])
    np.testing.assert_allclose(merged.sum(1), 1)


def test_one_state_stays_one_column():
    assert merge_to_words(np.ones((3, 1)), [0, 1, 1], [0, 0, 1]).tolist() == [[1.0], [1.0]]
