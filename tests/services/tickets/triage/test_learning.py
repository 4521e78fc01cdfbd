from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.tickets.triage.encoder import Encoder
from services.tickets.triage.engine import Triage
from services.tickets.triage.examples import own_examples
from services.tickets.triage.labels import Category
from services.tickets.triage.learning import Correction, Learner, Retraining, TooFewCorrections, retrain
from services.tickets.triage.model import SHIPPED, UnreadableModel, load
from services.tickets.triage.training import material, train
from services.tickets.triage.vectors import SHIPPED as SHIPPED_VECTORS
from services.tickets.triage.vectors import shipped_vectors, vectors_for


def corrections() -> list[Correction]:
    """Tickets of a kind that our own sentences do not know: words of one village's own."""
    places = ("gate", "well", "mosque", "river", "school", "bantaba", "garden", "clinic", "bakery", "bridge", "quay")
    things = ("kalabash", "sunguru", "bolong", "tesito", "kanyelang", "simba", "kankurang", "balafon", "kora", "juju", "tamala", "sabar")
    return [Correction(f"the {thing} near the {place} sings again", Category.DEVICE_SETUP) for place in places for thing in things]


@pytest.fixture(scope="module")
def retrained(local: Triage, encoder: Encoder) -> Retraining:
    return retrain(corrections(), local.model, encoder)


def test_a_taught_ticket_is_known_at_once_and_stays_so_after_fitting(local: Triage, encoder: Encoder) -> None:
    learner = Learner(local.model, encoder)
    before = learner.triage().read("", "the kora near the gate sings again")
    learner.learn("", "the kora near the gate sings again", Category.DEVICE_SETUP)
    at_once = learner.triage(fitted=False).read("", "The kora  near the gate sings again")
    assert before.decided is not Category.DEVICE_SETUP
    assert at_once.decided is Category.DEVICE_SETUP
    assert "Staff put a ticket like this one under device-setup." in at_once.reasons
    assert learner.triage().read("", "the kora near the gate sings again").decided is Category.DEVICE_SETUP
    assert local.read("", "the kora near the gate sings again").decided is not Category.DEVICE_SETUP


def test_the_last_word_of_staff_holds(without_encoder: Triage) -> None:
    learner = Learner(without_encoder.model, None)
    for category in (Category.PAYMENT, Category.VOUCHER):
        learner.learn("", "my ticket number nine is bad", category)
    assert learner.triage(fitted=False).read("", "my ticket number nine is bad").decided is Category.VOUCHER


def test_nothing_is_learnt_from_a_ticket_without_words(without_encoder: Triage) -> None:
    learner = Learner(without_encoder.model, None)
    learner.learn("", "😀", Category.PAYMENT)
    assert learner.triage().read("", "😀").abstain


def test_what_was_taught_carries_over_to_what_is_like_it(local: Triage, encoder: Encoder) -> None:
    learner = Learner(local.model, encoder)
    for correction in corrections()[:60]:
        learner.learn("", correction.text, correction.category)
    assert learner.triage().read("", "a bolong near the bridge sings").category is Category.DEVICE_SETUP
    assert learner.triage().read("", "the internet is very slow today").decided is Category.SLOW_SPEED


def test_a_retraining_is_adopted_when_it_is_no_worse_on_what_was_held_back(retrained: Retraining) -> None:
    assert retrained.adopt
    assert retrained.candidate_scores.accuracy > retrained.current_scores.accuracy
    assert retrained.verdict.startswith("Adopted: on ")
    assert retrained.learnt_from + retrained.candidate_scores.tickets == len(corrections())


def test_a_retraining_on_nonsense_is_not_adopted(retrained: Retraining, encoder: Encoder) -> None:
    spoilt = [c if c.held_back else Correction(c.text, Category.PAYMENT) for c in corrections()]
    result = retrain(spoilt, retrained.candidate, encoder)
    assert not result.adopt
    assert result.verdict.startswith("Not adopted: ")


def test_too_few_corrections_prove_nothing(local: Triage) -> None:
    with pytest.raises(TooFewCorrections):
        retrain(corrections()[:30], local.model, None)


def test_a_kept_model_reads_as_before(local: Triage, encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    local.model.save(path)
    again = load(path)
    text = "paid with wave and nothing came"
    assert again.version == local.model.version
    assert np.allclose(again.predict([text], encoder), local.model.predict([text], encoder), atol=1e-3)
    first = path.read_bytes()
    local.model.save(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x04]\x94."])
def test_another_file_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(UnreadableModel):
        load(path)
    with pytest.raises(UnreadableModel):
        load(tmp_path / "missing.npz")


def test_the_shipped_model_is_what_our_sentences_give(local: Triage, encoder: Encoder, tmp_path: Path) -> None:
    examples = own_examples()
    texts = [example.text for example in examples]
    kept = shipped_vectors(encoder)
    assert len(kept) == len(set(texts)), "run `make triage-model` after changing the sentences"
    # A sample of the kept vectors is encoded anew; all of them would take half a minute.
    fresh = vectors_for(texts[::97], encoder, {})
    assert np.allclose(fresh, vectors_for(texts[::97], encoder, kept), atol=2e-3)
    built = train(material(examples, None, vectors_for(texts, encoder, kept)), encoder_name=encoder.name)
    assert built.version == local.model.version, "run `make triage-model` after changing the sentences"
    assert built.both.threshold == pytest.approx(local.model.both.threshold, abs=0.01)
    assert SHIPPED.stat().st_size + SHIPPED_VECTORS.stat().st_size < 3_000_000
