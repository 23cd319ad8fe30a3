"""What a marketplace asks of a new offer, beyond price and quantity: its questions in our words, and what answers become.

Frozen, ours, and without a database, as `types` is. Answers are what a form gives: a text, or a list of texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from marketplaces.types import Json, OfferContent

Answers = Mapping[str, Any]
OWN = frozenset(column.name for column in fields(OfferContent))


class QuestionKind(StrEnum):
    """How a question is answered."""

    CHOICE = "choice"  # one of its choices
    TEXT = "text"
    LONG_TEXT = "long_text"
    AMOUNT = "amount"  # a number with decimals, as text
    LINES = "lines"  # texts, one in each line


@dataclass(frozen=True)
class Question:
    """One thing that a new offer has to say, or may. `choices` are (value, label)."""

    name: str
    label: str
    kind: QuestionKind = QuestionKind.TEXT
    help_text: str = ""
    choices: Sequence[tuple[str, str]] = ()
    is_required: bool = False
    initial: str = ""
    longest: int = 0  # characters of a text; 0: as many as one likes

    def words(self, value: Any) -> str:
        """An answer for people."""
        if self.kind is QuestionKind.CHOICE:
            return dict(self.choices).get(str(value), str(value or ""))
        return ", ".join(value) if isinstance(value, list) else str(value or "")


@dataclass(frozen=True)
class OfferForm:
    """What a new offer of one product is asked; `notes` tell people what else holds for it."""

    questions: Sequence[Question] = ()
    notes: Sequence[str] = field(default=())

    def as_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Json) -> "OfferForm":
        questions = [
            Question(
                **{
                    **row,
                    "kind": QuestionKind(row["kind"]),
                    "choices": [(value, label) for value, label in row["choices"]],
                }
            )
            for row in kept["questions"]
        ]
        return cls(questions, list(kept["notes"]))


@dataclass(frozen=True)
class Rehearsal:
    """What creating an offer would send. `steps` say it in words; `body` is the request's, None where nothing is made."""

    steps: Sequence[str] = ()
    body: Any = field(default=None, repr=False)
    left_out: Sequence[str] = ()  # what of the content is not sent, and why


def as_content(form: OfferForm, answers: Answers) -> Json:
    """Fields of OfferContent: a question is named as one, else it is one of the attributes. An empty answer says nothing."""
    given = {one.name: answers.get(one.name) for one in form.questions}
    said = {name: value for name, value in given.items() if value not in (None, "", [])}
    attributes = {name: value for name, value in said.items() if name not in OWN}
    return {name: value for name, value in said.items() if name in OWN} | {"attributes": attributes}
