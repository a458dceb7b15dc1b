from pipeline.data.corpus import Corpus, SentencePair
from pipeline.evaluation.sentences import longest_source


def test_the_longest_training_source_is_of_the_pairs_that_were_trained_on(translators):
    tokenizer = translators["gru"].tokenizer
    trained, left_out = SentencePair("the dog sleeps .", "a"), SentencePair("the dog . " * 4, "a")
    corpus = Corpus("little", "a test", "en", "de", train=[trained, left_out], val=[left_out], test=[left_out])
    most = len(tokenizer.encode([trained.src])[0]) + 1  # with EOS
    assert longest_source(corpus, tokenizer) == 12
    assert longest_source(corpus, tokenizer, most) == 4
    assert longest_source(corpus, tokenizer, 1) == 0
