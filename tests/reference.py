"""Writes ``docs/reference.md``: the operations of ``mailconfig.delivery`` as their docstrings explain them.

``python -m tests.reference`` writes it anew, ``tests/unit/test_docs.py`` sees to it that nobody forgets to.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import os
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
MADE_BELOW = "<!-- Everything below is made of docstrings by `make reference`. -->"
GROUPS = {
    "Queueing": (
        "enqueue",
        "enqueue_many",
        "enqueue_for",
        "sending_for",
        "choose_accounts",
        "find_project_account",
        "checked_tenant",
        "is_report",
        "enqueue_report",
    ),
    "Acting on a message": (
        "cancel",
        "hold",
        "release",
        "requeue",
        "send_now",
        "resend",
        "move_messages",
        "states_allowing",
        "explain",
        "forecast",
        "read_content",
        "read_preview",
        "read_source",
    ),
    "Accounts": (
        "save_account",
        "prove_account",
        "delete_account",
        "refusal_of",
        "usage",
        "overview_of",
        "accounts_in_health",
        "count_unsent",
        "require_allowed_host",
        "is_send_method",
    ),
    "Checks and test mails": (
        "probe_account",
        "probe_values",
        "recent_check",
        "send_test_mail",
        "send_test_of_values",
        "request_check",
        "due_checks",
        "run_check",
        "leaves_checks_to_workers",
        "view_check",
        "staff_view",
        "translate_stored",
        "words_of_check",
        "duration_in_words",
    ),
    "Coming from elsewhere": ("import_settings", "import_mail"),
    "Draining": ("drain_account", "drain_all", "run", "wake_lane", "ring_due"),
    "Syncing": ("sync_account", "note_activity"),
    "Webhooks": (
        "save_webhook",
        "check_webhook_url",
        "rotate_webhook_secret",
        "send_test_event",
        "delete_webhook",
        "deliver_events",
        "call_for_endpoints",
    ),
    "Upkeep": (
        "sweep",
        "was_swept_within",
        "purge",
        "status",
        "find_attention",
        "read_dashboard",
        "dashboard_data",
        "export_figures",
        "adopt",
        "database_now",
    ),
}
OTHERS = "Other operations"
"""Under this heading comes whatever is in no group."""
NAMES = "Names"
ALIASES = {
    "PURGE_SECONDS": "From one purge to the next, in seconds.",
    "TenantReference": "A tenant: its row, its primary key (`int`) or its short name (`str`).",
}
"""Constants and types of arguments, which have no docstring of their own."""
VALUES = "What they return"
REFUSALS = "What they refuse"

_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
_BLOCK = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"(\*{0,2}[\w.]+(?:, [\w.]+)*): (.*)", re.DOTALL)
_WIDTH = 100


def made() -> str:
    """What stands below the marker."""
    from mailconfig import delivery, exceptions

    operations = {name: getattr(delivery, name) for name in delivery.__all__}
    functions = {name: found for name, found in operations.items() if inspect.isfunction(found)}
    grouped = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, OTHERS: tuple(name for name in functions if name not in grouped)}
    parts = []
    for title, names in groups.items():
        sections = [f"### {name}\n\n{_function(functions[name])}" for name in names if name in functions]
        parts += [f"## {title}", *sections] if sections else []
    values = dict.fromkeys(value for found in functions.values() for value in _values(found))
    parts += [f"## {VALUES}", *(f"### {value.__name__}\n\n{_value(value)}" for value in values)]
    enums = [
        found for found in operations.values() if inspect.isclass(found) and issubclass(found, enum.Enum)
    ]
    parts += [f"## {NAMES}", *(f"### {found.__name__}\n\n{_enum(found)}" for found in enums)]
    parts += [f"### {name}\n\n{text}" for name, text in ALIASES.items()]
    refusals = [
        found
        for found in vars(exceptions).values()
        if inspect.isclass(found) and issubclass(found, exceptions.DeliveryError)
    ]
    parts += [f"## {REFUSALS}", *(f"### {found.__name__}\n\n{_refusal(found)}" for found in refusals)]
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """The whole page: its head as it stands, the rest anew."""
    head = PAGE.read_text(encoding="utf-8").partition(MADE_BELOW)[0]
    return f"{head}{MADE_BELOW}\n\n{made()}"


def _function(function: Callable[..., Any]) -> str:
    return f"```python\n{_signature(function)}\n```\n\n{_explained(function)}"


def _signature(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    parts: list[str] = []
    keywords_only = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords_only:
            keywords_only = True
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        parts.append(f"{parameter.name}: {_type(parameter.annotation)}{default}")
    returned = _type(signature.return_annotation)
    if hasattr(function, "__wrapped__"):  # of @contextmanager
        returned = returned.replace("Iterator[", "AbstractContextManager[", 1)
    line = f"def {function.__name__}({', '.join(parts)}) -> {returned}: ..."
    if len(line) <= _WIDTH:
        return line
    inner = "".join(f"    {part},\n" for part in parts)
    return f"def {function.__name__}(\n{inner}) -> {returned}: ..."


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return f'"{value}"'  # as the formatter has it
    return "..." if callable(value) else repr(value)


def _values(function: Callable[..., Any]) -> Iterator[type]:
    """The dataclasses of ours that a call returns, and those within them."""
    module = inspect.getmodule(function)
    names = re.findall(r"\w+", _type(inspect.signature(function).return_annotation))
    for name in names:
        yield from _with_inner(getattr(module, name, None))


def _with_inner(found: Any) -> Iterator[type]:
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        return
    yield found
    module = inspect.getmodule(found)
    for field in dataclasses.fields(found):
        for name in re.findall(r"\w+", _type(field.type)):
            inner = getattr(module, name, None)
            if inner is not found:
                yield from _with_inner(inner)


def _value(value: type) -> str:
    fields = dataclasses.fields(value)
    lines = [f"    {field.name}: {_type(field.type)}" for field in fields]
    lines += [
        f"    {name}: {_type(typing.get_type_hints(found.fget).get('return', Any))}  # a property"
        for name, found in vars(value).items()
        if isinstance(found, property) and found.fget is not None
    ]
    code = "\n".join([f"class {value.__name__}:", *lines])
    return f"```python\n{code}\n```\n\n{_explained(value)}"


def _enum(found: type[enum.Enum]) -> str:
    members = ", ".join(f"`{member.value}`" for member in found)
    return f"{_explained(found)} {members}."


def _refusal(found: type[Exception]) -> str:
    bases = ", ".join(base.__name__ for base in found.__bases__)
    return f"```python\nclass {found.__name__}({bases}): ...\n```\n\n{_explained(found)}"


def _explained(found: object) -> str:
    """The docstring as Markdown."""
    text = inspect.getdoc(found) or ""
    parts = [_block(part) for part in re.split(r"\n\n", text)]
    return "\n\n".join(parts)


def _block(part: str) -> str:
    title, _, rest = part.partition("\n")
    heading = _BLOCK.match(title)
    if heading is None:
        return _prose(part)
    lines = inspect.cleandoc(f"\n{rest}").splitlines()
    items: list[str] = []
    for line in lines:
        if line.startswith(" ") and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line)
    if heading[1] in {"Returns", "Yields"}:
        return f"**{heading[1]}:** {_prose(' '.join(items))}"
    return f"**{heading[1]}:**\n\n" + "\n".join(f"* {_item(item)}" for item in items)


def _item(item: str) -> str:
    match = _ITEM.match(item)
    if match is None:
        return _prose(item)
    names = ", ".join(f"`{name}`" for name in match[1].split(", "))
    return f"{names}: {_prose(match[2])}"


def _prose(text: str) -> str:
    text = re.sub(r":mod:`([\w.]+)`", r"`\1`", text)
    return _ROLE.sub(r"`\1`", text).replace("::\n", ":\n").replace("``", "`")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
