"""The diagram in the docstring is the table in the code."""

from __future__ import annotations

import re

from mailconfig import delivery
from mailconfig.delivery.queue.transitions import TRANSITIONS
from mailconfig.models import FINAL_STATES, WAITING_STATES, MessageState


def drawn() -> dict[str, tuple[set[str], set[str]]]:
    """What the docstring of :mod:`mailconfig.delivery` draws."""
    rows: dict[str, tuple[set[str], set[str]]] = {}
    for left, name, right in re.findall(
        r"^    (.*?)(?: ?──(\w+)──▶ | ──▶ )(.*)$", delivery.__doc__ or "", re.MULTILINE
    ):
        states = {word.strip() for word in re.split(r",|──▶", right)}
        if name:
            rows[name] = ({word.strip() for word in left.split(",")}, states)
        else:
            rows[left.strip()] = (set(), states)
    return rows


def test_the_diagram_is_drawn_as_the_code_has_it() -> None:
    table = {
        name: ({str(state) for state in one.sources}, {str(state) for state in one.targets})
        for name, one in TRANSITIONS.items()
    }
    assert drawn() == table


def test_every_state_is_final_or_waits() -> None:
    assert set(MessageState) == FINAL_STATES | WAITING_STATES
    assert not FINAL_STATES & WAITING_STATES


def test_nothing_but_a_person_and_the_truth_leaves_a_final_state() -> None:
    leaving = {name for name, one in TRANSITIONS.items() if one.sources & FINAL_STATES}
    assert leaving == {"requeue", "settle_late"}
