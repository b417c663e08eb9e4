"""The vectorised Viterbi against the plain one, on any weights."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.chain import Chain
from phoserve.text.crf import ExactCrf
from phoserve.text.segmenter_model import SegmenterModel

weights = st.floats(-4, 4).map(lambda w: round(w, 2))
pairs = st.tuples(weights, weights)


@given(
    transitions=st.tuples(pairs, pairs),
    texts=st.lists(st.lists(weights, min_size=2, max_size=12), min_size=1, max_size=5),
)
def test_labels_of_the_best_path(
    transitions: tuple[tuple[float, float], tuple[float, float]], texts: list[list[float]]
) -> None:
    leanings = np.array([lean for text in texts for lean in text])
    starts = np.zeros(len(leanings) + 1, np.bool_)
    starts[np.cumsum([0, *map(len, texts)])] = True
    labels, doubtful = Chain(transitions).inside(leanings, starts)
    # Each syllable is its own, with its leaning as the weight of I.
    names = [f"s{k}" for k in range(len(leanings))]
    states = {f"word.lower():{name}": (0.0, float(lean)) for name, lean in zip(names, leanings, strict=True)}
    exact = ExactCrf(SegmenterModel(states=states, transitions=transitions, words=[]))
    at = 0
    for text in texts:
        span = range(at, at + len(text))
        expected = exact.inside([names[k] for k in span])
        # Without a doubt in a text, every label is the plain algorithm's.
        assert not set(span).isdisjoint(doubtful.tolist()) or labels[span.start : span.stop].tolist() == expected
        at = span.stop


def test_a_tie_is_doubtful() -> None:
    starts = np.array([True, False, True])
    _, doubtful = Chain(((0.0, 0.0), (0.0, 0.0))).inside(np.array([1.0, 0.0]), starts)
    assert doubtful.tolist() == [1]
