"""What findings and attributions are called."""

from schemas.statuses import Cause, Finding
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.labels import ATTRIBUTIONS, finding_labels


def test_every_finding_has_a_name_and_a_sentence_of_its_own() -> None:
    labels = finding_labels(EMNIFY)
    assert list(labels) == list(Finding)
    assert len({label.name for label in labels.values()}) == len(Finding)
    assert all(label.meaning.endswith(".") for label in labels.values())


def test_labels_use_the_words_of_the_carrier() -> None:
    labels = finding_labels(EMNIFY)
    assert labels[Finding.PAYING_BUT_OFF].meaning == "SIM Activated, endpoint Disabled: charged, and can't work."
    assert labels[Finding.ON_BUT_DEAD].meaning.startswith("SIM Suspended, endpoint Enabled: ")
    assert labels[Finding.SIM_WITHOUT_ENDPOINT].meaning.startswith("SIM Activated, no endpoint or a Deleted one: ")
    assert labels[Finding.FACTORY_TEST].name == "In Factory Test"


def test_every_attribution_has_a_label_of_its_own() -> None:
    assert list(ATTRIBUTIONS) == list(Cause)
    assert len(set(ATTRIBUTIONS.values())) == len(Cause)
