from schemas.statuses import Cause, Finding
from simtandem.domain.labels import ATTRIBUTIONS, FINDINGS


def test_every_finding_has_a_name_and_a_sentence_of_its_own() -> None:
    assert list(FINDINGS) == list(Finding)
    assert len({label.name for label in FINDINGS.values()}) == len(Finding)
    assert all(label.meaning.endswith(".") for label in FINDINGS.values())


def test_every_attribution_has_a_label_of_its_own() -> None:
    assert list(ATTRIBUTIONS) == list(Cause)
    assert len(set(ATTRIBUTIONS.values())) == len(Cause)
