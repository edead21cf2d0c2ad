import torch

from spacy_clinicalbert.encoder.cache import WindowCache


def test_cache_holds_no_more_than_its_size():
    cache = WindowCache(10)
    for i in range(100):
        cache.put(bytes([i]), torch.full((1 + i % 4, 2), float(i)))
        held = [cache.get(bytes([j])) for j in range(100)]
        assert sum(len(vectors) for vectors in held if vectors is not None) == cache.n_pieces <= 10
    for i in range(100):
        vectors = cache.get(bytes([i]))
        assert vectors is None or (vectors == i).all()


def test_cache_holds_copies_and_takes_nothing_too_large():
    cache, vectors = WindowCache(3), torch.zeros(2, 2)
    cache.put(b"a", vectors)
    vectors += 1
    cache.put(b"b", torch.zeros(4, 2))
    assert (cache.get(b"a") == 0).all() and cache.get(b"b") is None


def test_cache_serves_part_of_a_corpus_that_is_larger_than_it():
    cache, hits = WindowCache(50), 0
    for _ in range(4):
        for i in range(100):
            hits += cache.get(bytes([i])) is not None
            cache.put(bytes([i]), torch.zeros(1, 1))
    assert hits > 50  # the least recently used would never be there
