"""The catalogues: every message is in them, translated, with its placeholders, compiled, and comes out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.test import Client
from django.utils.translation import override

from mailconfig.admin.durations import span_text
from mailconfig.admin.proof import errors_of
from mailconfig.delivery.accounts import sentences
from mailconfig.delivery.accounts.check_view import public_view, staff_view, translate_stored
from mailconfig.exceptions import NotProved
from mailconfig.models import CheckState, ConnectionCheck, MessageState, WaitReason
from mailconfig.models.validators import validate_address, validate_host, validate_line
from mailconfig.values import ErrorCode, Stage
from tests.translations import catalogue, extraction
from tests.translations.catalogue import key, messages, read, texts
from tests.translations.extraction import PACKAGE, ROOT, Found, found

CATALOGUES = [pytest.param(po, id=po.parents[1].name) for po in catalogue.paths()]
WHAT_TO_DO = (
    "Run `make messages`, write the translations it asks for into {po} (the glossary stands at its top), run"
    " `make messages` once more to compile it, and commit the .po and the .mo."
)
MAY_STAY_LATIN = {
    "Microsoft 365 (Exchange Online)": "the name of a product",
    "Rackspace Email": "the name of a product",
    "Intermedia": "the name of a company",
}
"""Messages whose translation may be in ASCII, and why."""
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")


@pytest.fixture(scope="module")
def said() -> tuple[Found, ...]:
    """All that the package says."""
    return tuple(found())


def fail_with(po: Path, problem: str, which: Sequence[object]) -> None:
    """Fail if there are any, and say what helps."""
    if which:
        lines = "\n".join(f"  {one}" for one in which)
        name = po.relative_to(ROOT)
        pytest.fail(f"{problem} ({name}):\n{lines}\n{WHAT_TO_DO.format(po=name)}", pytrace=False)


def source(message: Message) -> str:
    """What is translated; of a plural, its general form."""
    return message.id if isinstance(message.id, str) else message.id[-1]


def japanese(text: str) -> bool:
    """Whether there is kana or kanji in it."""
    return re.search("[\u3040-\u30ff\u4e00-\u9fff]", text) is not None


def test_there_is_a_japanese_catalogue() -> None:
    assert PACKAGE / "locale/ja/LC_MESSAGES/django.po" in catalogue.paths()


@pytest.mark.parametrize("po", CATALOGUES)
def test_every_message_of_the_package_is_in_the_catalogue(po: Path, said: tuple[Found, ...]) -> None:
    there = {key(message): not isinstance(message.id, str) for message in messages(read(po))}
    plurals = {(item.context, item.id) for item in said if item.plural}
    missing = {f"{item.id!r} of {item.path}" for item in said if (item.context, item.id) not in there}
    changed = {name[1] for name, is_plural in there.items() if name in plurals and not is_plural}

    fail_with(po, "Not in the catalogue", sorted(missing))
    fail_with(po, "Without its plural", sorted(changed))


@pytest.mark.parametrize("po", CATALOGUES)
def test_nothing_is_in_the_catalogue_that_the_package_does_not_say(po: Path, said: tuple[Found, ...]) -> None:
    keys = {(item.context, item.id) for item in said}

    fail_with(
        po, "Said no longer", [message.id for message in messages(read(po)) if key(message) not in keys]
    )


@pytest.mark.parametrize("po", CATALOGUES)
def test_every_message_is_translated_and_none_is_fuzzy(po: Path) -> None:
    all_of_them = messages(read(po))

    fail_with(po, "Not translated", [one.id for one in all_of_them if not catalogue.is_translated(one)])
    fail_with(po, "Fuzzy", [one.id for one in all_of_them if one.fuzzy])


@pytest.mark.parametrize("po", CATALOGUES)
def test_a_translation_has_the_placeholders_of_its_message(po: Path) -> None:
    for message in messages(read(po)):
        wanted = set(PLACEHOLDER.findall(source(message)))
        for text in texts(message):
            assert set(PLACEHOLDER.findall(text)) == wanted, text
            if wanted:
                assert text % defaultdict(int)


@pytest.mark.parametrize("po", CATALOGUES)
def test_the_compiled_catalogue_says_the_same(po: Path) -> None:
    compiled = po.with_suffix(".mo")

    if not compiled.exists() or compiled.read_bytes() != catalogue.mo_bytes(read(po)):
        fail_with(po, "The .mo does not say what the .po says", [compiled.relative_to(ROOT)])


@pytest.mark.parametrize("po", CATALOGUES)
def test_a_catalogue_is_written_as_make_messages_writes_it(po: Path) -> None:
    """No dates, no absolute paths, no line numbers, nothing obsolete: the next run changes what has changed."""
    text = po.read_bytes()

    assert catalogue.po_bytes(read(po)) == text, WHAT_TO_DO.format(po=po.relative_to(ROOT))
    assert str(ROOT).encode() not in text
    assert not re.search(rb"-Date:|^#~|^#: \S+:\d+$", text, re.MULTILINE)


def test_what_is_said_in_japanese_is_not_left_in_english() -> None:
    po = PACKAGE / "locale/ja/LC_MESSAGES/django.po"
    latin = {source(one): one for one in messages(read(po)) if any(text.isascii() for text in texts(one))}

    fail_with(
        po, "Still in Latin letters, and not in MAY_STAY_LATIN", sorted(set(latin) - set(MAY_STAY_LATIN))
    )
    assert set(MAY_STAY_LATIN) <= set(latin)


def test_no_script_says_anything_that_no_catalogue_could_have() -> None:
    """Scripts would need a catalogue of their own (djangojs) and a view that serves it."""
    for path in PACKAGE.rglob("static/**/*.js"):
        assert not re.search(r"\bn?p?gettext\(|interpolate\(", path.read_text(encoding="utf-8")), path.name


def test_sentences_of_checks_come_out_in_japanese() -> None:
    said = {sentences.PASSED, sentences.UNREACHABLE, *sentences.BY_CODE.values(), *sentences.OF_TRANSPORTS}

    with override("ja"):
        assert [text for text in said if not japanese(translate_stored(text))] == []
        assert translate_stored(sentences.PASSED) == "正常に接続できます。"


def test_a_check_is_japanese_for_all_and_the_servers_words_stay() -> None:
    stages = [
        {
            "stage": "tls",
            "outcome": "failed",
            "milliseconds": 1,
            "detail": "TLS could not be set up.",
            "says": "tls_not_set_up",
        },
        {"stage": "login", "outcome": "failed", "milliseconds": 1, "detail": "535 failed"},
    ]
    check = ConnectionCheck(
        state=CheckState.FAILED,
        code=ErrorCode.TLS_FAILED,
        stage=Stage.TLS,
        message="certificate_expired",
        hint="check_clock",
        stages=stages,
    )

    with override("ja"):
        for view in (public_view(check), staff_view(check)):
            assert view["message"] == "サーバー証明書の有効期限が切れています。"
            assert japanese(view["hint"])
        assert [stage["detail"] for stage in staff_view(check)["stages"]] == [
            "TLS を開始できませんでした。",
            "535 failed",
        ]
        (text,) = errors_of(NotProved("it does not work", check=check)).messages
        assert text.startswith("サーバー証明書の有効期限が切れています。 ")


@pytest.mark.parametrize(
    ("validate", "value"),
    [
        (validate_host, "no host"),
        (validate_address, "nobody"),
        (validate_address, "ü@example.com"),
        (validate_line, "\n"),
    ],
)
def test_validators_speak_japanese(validate: Callable[[str], None], value: str) -> None:
    with override("ja"), pytest.raises(ValidationError) as caught:
        validate(value)

    with override("ja"):
        assert all(japanese(text) for text in caught.value.messages)


def test_labels_plurals_and_templates_come_out_in_japanese() -> None:
    with override("ja"):
        assert all(japanese(str(label)) for label in (*WaitReason.labels, *MessageState.labels))
        assert span_text(60) == "1 分"
        assert span_text(7200) == "2 時間"
        page = render_to_string(
            "admin/mailconfig/check_stages.html", {"check": {"is_open": True, "stages": [1]}}
        )

    assert "このチェックはまだ終わっていません。" in page
    assert "所要時間" in page


@pytest.mark.django_db
def test_a_browser_that_asks_for_japanese_gets_it(admin_client: Client) -> None:
    # What the request activates stays with the thread, where the next request would change it.
    with override("en"):
        page = admin_client.get("/admin/mailconfig/", headers={"accept-language": "ja"}).content.decode()

    assert "メールアカウント" in page
    assert "テナントのメール設定" in page


def test_messages_are_found_by_any_name_and_inside_f_strings() -> None:
    module = """
from django.utils import translation
from django.utils.translation import gettext_noop as _, ngettext as several
from django.utils.translation import pgettext_lazy

_("one " "after the other")
f"{_('in an f-string')}"
several("a mail", "mails", 2)
pgettext_lazy("time", "queued")
translation.gettext("by its module")
_(variable)
"""

    assert list(extraction.in_module(module, "a.py")) == [
        Found(id="one after the other", path="a.py"),
        Found(id="in an f-string", path="a.py"),
        Found(id="a mail", plural="mails", path="a.py"),
        Found(id="queued", context="time", path="a.py"),
        Found(id="by its module", path="a.py"),
    ]


def test_a_name_for_two_kinds_of_function_is_refused() -> None:
    module = "from django.utils.translation import gettext as _\nfrom django.utils.translation import ngettext as _\n"

    with pytest.raises(ValueError, match=r"a\.py gives the name _"):
        list(extraction.in_module(module, "a.py"))


def test_messages_of_templates_are_found() -> None:
    template = """
<p title="{% translate 'a title' %}">It's not {{ this }}
    {% translate "Time" context "duration" %}{{ _("in a filter") }}
  {% blocktranslate with name=object %}Delete “{{ name }}”?{% endblocktranslate %}
      {% blocktranslate count count=n %}{{ count }} mail{% plural %}{{ count }} mails{% endblocktranslate %}
"""

    assert list(extraction.in_template(template, "a.html")) == [
        Found(id="a title", path="a.html"),
        Found(id="Time", context="duration", path="a.html"),
        Found(id="in a filter", path="a.html"),
        Found(id="Delete “%(name)s”?", path="a.html"),
        Found(id="%(count)s mail", plural="%(count)s mails", path="a.html"),
    ]


def test_an_update_keeps_translations_and_drops_what_is_said_no_longer(tmp_path: Path) -> None:
    po = tmp_path / "ja/LC_MESSAGES/django.po"
    po.parent.mkdir(parents=True)
    po.write_text(
        '# Glossary\nmsgid ""\nmsgstr "Language: ja\\n"\n\n# Why it is so\nmsgid "kept"\nmsgstr "残る"\n\n'
        'msgid "gone"\nmsgstr "消える"\n\n#, fuzzy\nmsgid "unsure"\nmsgstr "不明"\n',
        encoding="utf-8",
    )

    new = catalogue.updated(
        read(po),
        [
            Found(id="kept", path="b.py"),
            Found(id="new", path="b.py"),
            Found(id="one", plural="many", path="c.py"),
            Found(id="unsure", path="c.py"),
            Found(id="kept", path="c.py"),
        ],
    )

    assert catalogue.po_bytes(new).decode() == (
        "# Glossary\n"
        'msgid ""\nmsgstr ""\n"Project-Id-Version: mailconfig\\n"\n"Language: ja\\n"\n'
        '"Plural-Forms: nplurals=1; plural=0;\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n\n'
        '# Why it is so\n#: b.py c.py\nmsgid "kept"\nmsgstr "残る"\n\n'
        '#: b.py\nmsgid "new"\nmsgstr ""\n\n'
        '#: c.py\nmsgid "one"\nmsgid_plural "many"\nmsgstr[0] ""\n\n'
        '#: c.py\n#, fuzzy\nmsgid "unsure"\nmsgstr "不明"\n\n'
    )
