"""The words of an answer in a form that can be compared: neutral text work, whatever the protocol."""

from __future__ import annotations

import re

from mailconfig.values import Answer

_PARTICULAR = re.compile(r"<[^>]*>|\S*@\S*|\[[^\]]*\]|\S*\d\S*")
"""What differs in the words of the same refusal: addresses, names of hosts with numbers, ids."""


def plain_words(text: str) -> str:
    """The words of an answer in lower case, with one space between them, so that a pattern meets whole ones only."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)  # names of exceptions: SubmissionQuotaExceeded
    return " ".join(re.findall(r"[^\W_]+", apart.lower()))


def gist(answer: Answer) -> tuple[int, str, str]:
    """The part of an answer that is the same when the same refusal meets another recipient."""
    return answer.code, answer.enhanced, plain_words(_PARTICULAR.sub(" ", answer.text))
