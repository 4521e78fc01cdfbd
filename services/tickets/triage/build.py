"""`python -m services.tickets.triage.build` (`make triage-model`): the shipped model from our own sentences. The same bytes every time."""

from __future__ import annotations

import sys

from services.tickets.triage import model, vectors
from services.tickets.triage.encoder import installed_encoder
from services.tickets.triage.examples import own_examples
from services.tickets.triage.training import material, train


def build() -> str:
    """Write model and vectors beside the sentences; answers what was made. Raises RuntimeError without the encoder's packages."""
    encoder = installed_encoder()
    if encoder is None:
        raise RuntimeError("the sentence encoder is not installed; a model without it would be shipped to those who have it")
    examples = own_examples()
    texts = [example.text for example in examples]
    # Everything is encoded anew, and learnt from at the precision that is kept: a build from a fresh checkout gives the same.
    kept = vectors.vectors_for(texts, encoder, {}).astype("<f2").astype("float32")
    made = train(material(examples, None, kept), encoder_name=encoder.name)
    made.save(model.SHIPPED)
    vectors.save_vectors(texts, kept, encoder)
    return (
        f"{model.SHIPPED.name}: version {made.version}, temperature {made.both.temperature:.2f}, abstains below {made.both.threshold:.2f}; "
        f"without the encoder {made.grams_alone.temperature:.2f} and {made.grams_alone.threshold:.2f}"
    )


if __name__ == "__main__":
    sys.stdout.write(build() + "\n")
