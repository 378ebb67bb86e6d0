"""What genomes say of how texts are read."""

from kevo.tasks.texts.genomes import are_tuned, has_vectors, is_linear, tokens_of
from tests.support.texts import BAG, CONV, GENOME, RECURRENT, VECTORS


def test_linear_models() -> None:
    assert is_linear(GENOME)
    assert not any(map(is_linear, [CONV, {**GENOME, "bag/units": 8}, {**GENOME, "num_layers": 1}]))


def test_whose_words_have_pretrained_vectors() -> None:
    frozen, tuned = ({**CONV, "sequence/pretrained": word} for word in ("frozen", "tuned"))
    assert all(map(has_vectors, [VECTORS, frozen, tuned]))
    own = [BAG, CONV, RECURRENT, {**CONV, "sequence/pretrained": "none"}, {**frozen, "sequence/tokens": "characters"}]
    assert not any(map(has_vectors, own))
    assert list(map(are_tuned, [VECTORS, frozen, tuned, *own[:4]])) == [False, False, *[True] * 5]
    assert tokens_of(VECTORS) == "words"
