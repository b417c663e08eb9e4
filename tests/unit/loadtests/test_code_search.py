from loadtests.code_search import KINDS, generate


def test_neighbours_differ_and_every_kind_is_asked_for() -> None:
    texts, asked = generate(400, 200)
    assert len(texts) == len(set(texts)) == 400
    assert {query.kind for query in asked} == {kind.name for kind in KINDS}
    assert generate(400, 200) == (texts, asked)
