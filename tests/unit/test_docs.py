"""What the documents say is so: names, tables and links are compared with the code."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.db.models import Model
from django.dispatch import Signal
from django.template import Context, Template
from django.test import Client

from mailconfig import delivery, exceptions, signals
from mailconfig.api.common.errors import Problem, ProblemCode
from mailconfig.api.common.views import SurfaceView
from mailconfig.api.email_service.base import EmailServiceView
from mailconfig.api.mailboxes.views import MailboxesView
from mailconfig.api.outbound_email.views import OutboundEmailView
from mailconfig.api.providers.views import ProvidersView
from mailconfig.api.tenant_config.views import STATUSES as TENANT_STATUSES
from mailconfig.api.tenant_config.views import TenantConfigView
from mailconfig.conf import SURFACES, Settings
from mailconfig.delivery.accounts.check_result import CONNECTION_STAGES, OF_A_MAIL
from mailconfig.mail_services import MAIL_SERVICES, MailService, Refusal
from mailconfig.models import MessageState, WaitReason
from mailconfig.presets import PRESETS
from mailconfig.transports.registry import reading_transport_for
from mailconfig.values import ErrorCode, Timeouts
from tests import reference
from tests.documents import ROOT, Document, code_words, document, documents, rows

README = document("README.md")
SETTINGS = {item.name.upper() for item in fields(Settings)}
OTHER_NAMES = {
    # Settings of Django and Celery, and environment variables
    "ATOMIC_REQUESTS", "AUTH_USER_MODEL", "AUTOCOMMIT", "CELERY_BROKER_URL", "CELERY_TASK_ALWAYS_EAGER", "CONN_MAX_AGE", "DATABASE_URL",
    "ADMINS", "ANYMAIL", "DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_FROM_EMAIL", "DEMO_DIR", "DISABLE_SERVER_SIDE_CURSORS", "EMAIL_BACKEND",
    "EMAIL_HOST", "FIELD_ENCRYPTION_KEY", "LANGUAGES", "LANGUAGE_CODE", "LOGIN_URL", "MAILCONFIG", "MAILCONFIG_CRASH_AT", "MAILERS", "MANAGERS",
    "MEDIA_ROOT", "REDIS_URL", "REMOTE_USER", "REQUIRE_NPM", "SECRET_KEY", "SECURE_PROXY_SSL_HEADER", "SERVER_EMAIL", "SESSION_COOKIE_SAMESITE", "STORAGES",
    "SMTP_HOST", "SMTP_PASSWORD", "SMTP_PORT", "SMTP_USER", "TENANT", "TOKEN", "URL", "USE_TZ",
    # Methods of HTTP
    "DELETE", "GET", "HEAD", "PATCH", "POST", "PUT",
    # Priorities
    "HIGH", "NORMAL", "LOW",
    # Levels of the log
    "INFO", "WARNING",
    # What the tenants' surface answers
    "USER_NOT_FOUND", *TENANT_STATUSES.values(),
}  # fmt: skip
UNITS = {None: 1, "days": 86400, "hours": 3600, "KiB": 1024, "MiB": 1024**2}
NOT_INSTALLED = {"sentry_sdk"}
"""What snippets import that our tests do without."""

SNIPPETS = [
    pytest.param(code, id=f"{text.name}-{number}")
    for text in documents()
    for number, code in enumerate(text.snippets("python"), start=1)
]


def default(text: str) -> object:
    """A default as the README writes it: in code, or as a number with a unit."""
    if found := re.fullmatch(r"(\d+)(?: (\w+))?", text):
        return int(found[1]) * UNITS[found[2]]
    return ast.literal_eval(text.strip("`"))


def first_words(text: str) -> list[str]:
    """The first word in code of each row of the tables in a text."""
    return [words[0] for cells in rows(text) if (words := code_words(cells[0]))]


def test_the_readme_lists_exactly_the_settings_there_are() -> None:
    cells = [cells[0] for cells in rows(README.section("Settings"))]

    assert sorted(word for cell in cells for word in code_words(cell)) == sorted(SETTINGS)


def test_the_readme_tells_the_defaults_there_are() -> None:
    for cells in rows(README.section("Settings")):
        names, told = code_words(cells[0]), [default(text) for text in cells[1].split(", ") if text]
        actual = [getattr(Settings(), name.lower()) for name in names]

        assert actual == ([tuple(told)] if len(told) > len(names) else told), cells[0]


def test_the_readme_lists_exactly_the_timeouts_a_deployment_sets() -> None:
    row = next(cells for cells in rows(README.section("Settings")) if cells[0] == "`TIMEOUTS`")
    listed = dict(re.findall(r"`(\w+)` (\d+)", row[2]))
    defaults = Timeouts()

    # Not "total": it is for connections made during a request, and PROBE_SECONDS says it.
    names = [item.name for item in fields(Timeouts) if item.name != "total"]
    assert listed == {name: f"{getattr(defaults, name):g}" for name in names}


def test_the_targets_the_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = "\n".join(each.text for each in documents())
    named = set(re.findall(r"`make ([a-z-]+)|^    make ([a-z-]+)", text, re.MULTILINE))

    assert {one or other for one, other in named} <= targets


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_compiles_and_what_it_imports_exists(code: str) -> None:
    bound: dict[str, object] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert find_spec(alias.name) or alias.name in NOT_INSTALLED, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            if node.module.partition(".")[0] in NOT_INSTALLED:
                continue
            module = import_module(node.module)
            for alias in node.names:
                bound[alias.asname or alias.name] = getattr(module, alias.name)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            assert hasattr(bound[node.value.id], node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_sets_only_settings_there_are(code: str) -> None:
    given: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        is_assigned = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MAILCONFIG"
        is_passed = isinstance(node, ast.keyword) and node.arg == "MAILCONFIG"
        value = (
            node.value if isinstance(node, (ast.Assign, ast.keyword)) and (is_assigned or is_passed) else None
        )
        if isinstance(value, ast.Dict):
            given |= {ast.literal_eval(key) for key in value.keys if key is not None}

    assert given <= SETTINGS


@pytest.mark.parametrize(
    "text",
    # That one names the settings of others; tests/integration/delivery/imports/test_page.py looks them up.
    [text for text in documents() if text.name != "docs/coming-from.md"],
    ids=lambda text: text.name,
)
def test_a_document_names_only_settings_there_are(text: Document) -> None:
    words = {word.partition(":")[0] for word in code_words(text.prose)}
    capitals = {word for word in words if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", word) and len(word) > 2}

    assert capitals <= SETTINGS | OTHER_NAMES


def test_the_documents_name_the_commands_there_are_and_no_others() -> None:
    ours = {name for name, app in get_commands().items() if app == "mailconfig"}
    # Metrics have names like these; tests/integration/api/metrics compares them.
    metrics = document("docs/operations.md").section("Metrics")
    texts = [re.sub(r"{%.*?%}", "", text.text.replace(metrics, "")) for text in documents()]
    named = {name for text in texts for name in re.findall(r"\bmailconfig_[a-z_]+", text)}

    assert named == ours


def test_the_template_tags_the_documents_show_work() -> None:
    shown = [tag for text in documents() for tag in re.findall(r"`({% load .*?%})`", text.text)]

    assert shown
    for tag in shown:
        Template(tag).render(Context())


def test_the_documents_name_the_checks_there_are_and_no_others() -> None:
    pattern = re.compile(r"\bmailconfig\.[EW]\d{3}\b")
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mailconfig/checks").glob("*.py"))
    named = {name for text in documents() for name in pattern.findall(text.text)}
    listed = first_words(document("docs/installation.md").section("System checks"))

    assert named == set(listed) == set(pattern.findall(sources))
    assert len(listed) == len(set(listed))


def test_every_signal_is_explained() -> None:
    ours = {name for name, value in vars(signals).items() if isinstance(value, Signal)}

    assert set(first_words(document("docs/sending.md").section("Signals"))) == ours


def test_every_state_is_explained() -> None:
    assert first_words(document("docs/sending.md").section("States")) == MessageState.values


def test_every_reason_for_waiting_is_explained_in_the_words_people_see() -> None:
    table = rows(document("docs/operations.md").section("Why mail waits"))

    assert [(code_words(cells[0])[0], cells[1]) for cells in table] == [
        (reason.value, str(reason.label)) for reason in WaitReason
    ]


def test_every_stage_and_code_of_a_test_is_explained() -> None:
    listed = first_words(document("docs/accounts.md").section("Testing a connection"))

    assert listed == [*CONNECTION_STAGES, *OF_A_MAIL, *ErrorCode]
    of_sync = first_words(document("docs/accounts.md").section("Testing a sync"))
    assert of_sync == list(reading_transport_for("imap").stages)


def test_every_mail_service_is_listed_with_what_it_takes() -> None:
    table = {cells[0]: cells for cells in rows(document("docs/accounts.md").section("Mail services"))}

    assert set(table) == {str(preset.label) for preset in PRESETS.values()}
    for preset in PRESETS.values():
        _label, server, takes = table[str(preset.label)]
        if preset.host:
            assert server == f"`{preset.host}`, {preset.port}"
        for figure in filter(None, (preset.per_minute, preset.per_day, preset.sessions)):
            assert str(figure) in takes


def facts_of(name: str, service: MailService) -> list[list[str]]:
    """What the page of a service says of it in a table."""
    user = str(service.user_name) + ("" if service.needs_user else ", may be empty")
    return [
        ["send method", f"`{name}`"],
        ["password", str(service.key_name)],
        ["found at", service.where],
        ["user name", user if service.user_name else "empty"],
        ["server", "empty, or " + ", ".join(f"`{host}`" for host in service.hosts)],
        ["recipients of a request", str(service.most_recipients)],
        ["`Message-ID`", "its own" if "message-id" in service.writes_itself else "ours"],
        ["a bounce address of yours", BOUNCE_ADDRESS[service.return_path]],
        ["a check asks", f"`{service.asks}`" if service.asks else "nothing"],
    ]


BOUNCE_ADDRESS = {"": "is not told", "address": "is told", "domain": "its domain is told"}
REFUSALS = {
    Refusal.LIMIT: "the account rests",
    Refusal.KEY: "the account's fault",
    Refusal.SENDER: "the sender is refused",
    Refusal.MESSAGE: "the mail fails",
    Refusal.AGAIN: "tried again",
    Refusal.DOUBT: "in doubt",
}


@pytest.mark.parametrize(("name", "service"), MAIL_SERVICES.items())
def test_each_mail_service_over_http_has_a_page_that_says_what_is_so(name: str, service: MailService) -> None:
    page = document(f"docs/services/{name}.md")
    facts, _, codes = page.prose.partition("## Codes")

    assert page.text.startswith(f"# {service.label}\n")
    assert [list(cells) for cells in rows(facts)] == facts_of(name, service)
    listed = [list(cells) for cells in rows(codes)]
    assert listed == [[f"`{code}`", REFUSALS[refusal]] for code, refusal in service.codes.items()]
    assert "**Limits.** " in page.text


def test_the_index_of_mail_services_leads_to_each_page() -> None:
    table, *_rest = document("docs/services.md").prose.partition("## What a mail becomes")

    for (name, service), cells in zip(MAIL_SERVICES.items(), rows(table), strict=True):
        assert cells[:2] == [f"`{name}`", f"[{service.label}](services/{name}.md)"]
        assert cells[4] == ", ".join(f"`{host}`" for host in service.hosts)
    pages = {path.stem for path in (ROOT / "docs" / "services").glob("*.md")}
    assert pages == MAIL_SERVICES.keys()


def test_every_permission_named_exists() -> None:
    listed = first_words(document("docs/security.md").section("Who may see and do what"))
    models: list[type[Model]] = list(apps.get_app_config("mailconfig").get_models())
    own = {name for model in models for name, _words in model._meta.permissions}
    usual = {
        f"{verb}_{model._meta.model_name}" for model in models for verb in model._meta.default_permissions
    }

    assert listed
    assert {name.removeprefix("mailconfig.") for name in listed} <= own | usual
    assert own <= {name.removeprefix("mailconfig.") for name in listed}


def test_the_page_of_the_surfaces_tells_of_each_of_them(client: Client) -> None:
    page = document("docs/api.md")
    table, *_others = page.prose.partition("## Mounting")

    assert {code_words(cells[1])[0] for cells in rows(table)} == set(SURFACES)
    for path in [code_words(cells[1])[0] for cells in rows(page.section("OpenAPI"))]:
        assert client.get(path).status_code == 200, path
    for surface in SURFACES:
        assert f'"mailconfig.api.{surface}.urls"' in page.text


def test_the_page_of_the_surfaces_tells_how_each_draws_a_mistake() -> None:
    page = document("docs/api.md").section("What is answered")
    told = {cells[0]: cells[1:6] for cells in rows(page)}
    views: list[type[SurfaceView]] = [
        OutboundEmailView,
        ProvidersView,
        TenantConfigView,
        MailboxesView,
        EmailServiceView,
    ]
    cases = {
        "a value or a query parameter is wrong, or a value is missing": (400, ProblemCode.INVALID),
        "somebody else changed it at the same moment; mail of it waits": (409, ProblemCode.CHANGED),
        "the body has no length": (411, ProblemCode.MALFORMED),
        "the body is no strict JSON": (400, ProblemCode.MALFORMED),
        "no such method": (405, ProblemCode.METHOD_NOT_ALLOWED),
    }

    for words, (status, code) in cases.items():
        problem = Problem(status=status, code=code, message="x")
        assert told[words] == [str(view().render_problem(problem)[0]) for view in views], words


def test_the_reference_says_what_the_docstrings_say() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run `make reference`"


def test_the_reference_explains_everything_that_callers_may_rely_on() -> None:
    prose = document("docs/reference.md").prose

    headings = re.findall(r"^### (\w+)$", prose, re.MULTILINE)

    assert set(delivery.__all__) <= set(headings)
    assert len(headings) == len(set(headings))
    assert {name for names in reference.GROUPS.values() for name in names} <= set(delivery.__all__)
    for name in headings:
        assert document("docs/reference.md").section(name).strip(), name


def test_the_reference_explains_what_operations_refuse() -> None:
    section = document("docs/reference.md").section(reference.REFUSALS)
    ours = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, exceptions.DeliveryError)
    }

    assert set(re.findall(r"^### (\w+)$", section, re.MULTILINE)) == ours


def test_the_glossary_is_in_order_and_explains_the_rooms() -> None:
    words = [cells[0] for cells in rows(document("docs/glossary.md").text)]

    assert words == sorted(words)
    assert len(words) == len(set(words))
    assert {"lane", "lease", "journal", "drain", "sweep", "probe", "window", "strike", "pause"} <= set(words)


@pytest.mark.parametrize("text", documents(), ids=lambda text: text.name)
def test_links_inside_the_repository_lead_somewhere(text: Document) -> None:
    for target in text.links():
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (text.path.parent / path).resolve() if path else text.path
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in Document(there).anchors(), target
