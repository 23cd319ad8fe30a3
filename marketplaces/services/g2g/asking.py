"""What G2G's attribute groups ask of a new offer, as questions; and answers in its words again (G2G-04, G2G-05)."""

from collections.abc import Iterator

from marketplaces.questions import Answers, OfferForm, Question, QuestionKind
from marketplaces.services.g2g.catalogue import Choice, Group, ProductForm
from marketplaces.types import Json

GROUP = "group-"  # before the id of an attribute group
METHOD = "delivery_method"
DESCRIPTION = "description"


def form_of(form: ProductForm) -> OfferForm:
    """The questions of one product: its groups of choices, and for a top-up how it is delivered."""
    questions = [_question(group) for group in form.groups if group.choices]
    notes = [
        f"G2G asks for “{group.name}”, which its API takes no free text for: enter it on G2G's website afterwards."
        for group in form.groups
        if not group.choices and group.is_required
    ]
    if form.delivery_methods:
        questions.append(
            Question(
                METHOD,
                "Delivery method",
                QuestionKind.CHOICE,
                "How the buyer gets it; G2G takes exactly one.",
                [(method.external_id, method.name or method.code) for method in form.delivery_methods],
                is_required=True,
                initial=form.delivery_methods[0].external_id if len(form.delivery_methods) == 1 else "",
            )
        )
        questions.append(
            Question(DESCRIPTION, "Description", QuestionKind.LONG_TEXT, "It can't be changed later through the API.")
        )
        notes += [_filled_in(method.name, method.groups) for method in form.delivery_methods if method.groups]
    return OfferForm(questions, notes)


def _question(group: Group) -> Question:
    choices = [(choice, " / ".join(path)) for choice, path in _leaves(group.choices)]
    return Question(
        f"{GROUP}{group.external_id}", group.name or group.external_id, QuestionKind.CHOICE, "", choices,
        is_required=group.is_required, initial=choices[0][0] if len(choices) == 1 and group.is_required else "",
    )  # fmt: skip


def _leaves(choices: tuple[Choice, ...], above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every choice that opens no further ones, with the names on the way to it."""
    for choice in choices:
        path = (*above, choice.name or choice.external_id)
        if choice.choices:
            yield from _leaves(choice.choices, path)
        else:
            yield choice.external_id, path


def _filled_in(method: str, groups: tuple[Group, ...]) -> str:
    names = ", ".join(group.name for group in groups if group.name and (group.key or group.choices))
    return f"Buyers fill in for “{method}”: {names}. Their answers come with the order."


def content_of(form: OfferForm, answers: Answers) -> Json:
    """Fields of OfferContent. A list of choices goes out in any case, for G2G wants an empty one where none is asked."""
    chosen = [
        {"attribute_group_id": one.name.removeprefix(GROUP), "attribute_id": answers[one.name]}
        for one in form.questions
        if one.name.startswith(GROUP) and answers.get(one.name)
    ]
    attributes: Json = {"offer_attributes": chosen}
    if method := answers.get(METHOD):
        attributes |= {"delivery_method_ids": [method], "service_type": "top_up"}
    text = answers.get(DESCRIPTION)
    return {"attributes": attributes} | ({DESCRIPTION: text} if text else {})
