"""The field: what is stored, what comes back, what is refused."""

import copy
import pickle
from typing import Any

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from mailconfig.exceptions import DestinationChanged, SecretUnreadable
from mailconfig.secrets.fields import SecretField
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.values import Secret
from tests.secretapp.models import Box

from .frames import variables_of
from .keys import NEW, OLD, PASSWORD, raw_token, write_raw

pytestmark = pytest.mark.django_db


@pytest.fixture
def box() -> Box:
    made: Box = Box.objects.create(host="mail.example.com", secret=Secret(PASSWORD))
    return made


def test_a_secret_comes_back_for_its_destination(box: Box) -> None:
    loaded = Box.objects.get()
    assert loaded.password() == PASSWORD
    assert PASSWORD not in raw_token(box)


def test_saving_replaces_the_plain_secret_by_the_sealed_one(box: Box) -> None:
    assert isinstance(box.secret, SealedSecret)
    assert box.secret.token == raw_token(box)
    assert box.password() == PASSWORD


def test_saving_an_untouched_row_writes_the_same_token(box: Box) -> None:
    before = raw_token(box)
    for _ in range(2):
        loaded = Box.objects.get()
        loaded.note = "edited"
        loaded.save()
    box.save()
    assert raw_token(box) == before


@pytest.mark.parametrize("keys", [NEW, None, "malformed"])
def test_a_wrong_key_makes_it_unreadable_and_a_save_keeps_the_token(
    settings: Any, box: Box, keys: Any
) -> None:
    before = raw_token(box)
    settings.FIELD_ENCRYPTION_KEY, good = keys, settings.FIELD_ENCRYPTION_KEY
    loaded = Box.objects.get()
    with pytest.raises(SecretUnreadable):
        loaded.password()
    loaded.full_clean()
    loaded.save()
    Box.objects.bulk_update([loaded], ["secret"])
    assert raw_token(box) == before
    settings.FIELD_ENCRYPTION_KEY = good
    assert Box.objects.get().password() == PASSWORD


def test_a_sealed_secret_opens_for_nobody_without_its_destination(box: Box) -> None:
    with pytest.raises(TypeError, match="bound_to"):
        Box.objects.get().secret.reveal()


def test_a_destination_changed_by_a_queryset_makes_it_unreadable(box: Box) -> None:
    Box.objects.update(host="evil.example.net")
    with pytest.raises(DestinationChanged):
        Box.objects.get().password()
    Box.objects.update(host="mail.example.com")
    assert Box.objects.get().password() == PASSWORD


def test_a_destination_changed_by_sql_makes_it_unreadable(box: Box) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE secretapp_box SET host = 'evil.example.net'")
    with pytest.raises(DestinationChanged):
        Box.objects.get().password()


def test_a_token_copied_to_another_row_opens_only_for_the_same_destination(box: Box) -> None:
    other = Box.objects.create(host="evil.example.net")
    write_raw(other, raw_token(box))
    with pytest.raises(DestinationChanged):
        Box.objects.get(pk=other.pk).password()


@pytest.mark.parametrize("bound", [False, True])
def test_handing_a_stored_secret_to_another_account_never_seals_it_anew(box: Box, bound: bool) -> None:
    secret = Box.objects.get().secret
    given = secret.bound_to(box.secret_binding("smtp")) if bound else secret
    other = Box.objects.create(host="evil.example.net", secret=given)
    assert raw_token(other) == raw_token(box)
    with pytest.raises(DestinationChanged):
        Box.objects.get(pk=other.pk).password()


@pytest.mark.parametrize("nothing", [None, "", Secret("")])
def test_no_secret_is_stored_as_null(nothing: Any) -> None:
    box = Box.objects.create(host="h", secret=nothing)
    assert raw_token(box) is None
    assert box.secret is None
    assert Box.objects.get().secret is None


def test_an_empty_string_in_the_column_is_no_secret(box: Box) -> None:
    write_raw(box, "")
    assert Box.objects.get().secret is None


def test_what_is_no_token_in_the_column_is_never_a_value(box: Box) -> None:
    write_raw(box, "plain-by-sql")
    loaded = Box.objects.get()
    with pytest.raises(SecretUnreadable):
        loaded.password()
    loaded.save()
    assert raw_token(box) == "plain-by-sql"


@pytest.mark.parametrize("value", [PASSWORD, b"bytes", F("note"), Value("x"), 7])
def test_only_a_secret_can_be_assigned_and_the_refusal_does_not_show_it(value: Any) -> None:
    with pytest.raises(TypeError, match="Secret") as caught:
        Box(host="h", secret=value)
    assert PASSWORD not in str(caught.value)
    box = Box(host="h")
    with pytest.raises(TypeError):
        box.secret = value


def test_full_clean_decrypts_nothing(settings: Any, box: Box) -> None:
    loaded = Box.objects.get()
    settings.FIELD_ENCRYPTION_KEY = None
    loaded.full_clean()
    assert loaded.secret.token == raw_token(box)


def test_full_clean_takes_a_submitted_token_for_text(box: Box) -> None:
    submitted = raw_token(box)
    mine = Box(host="h", secret=Secret(submitted))
    mine.full_clean()
    mine.save()
    assert Box.objects.get(pk=mine.pk).password() == submitted


def test_constraints_are_validated_with_a_secret_that_is_not_sealed_yet() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        Box(host="h", secret=Secret(PASSWORD)).full_clean()
    assert not [query for query in queries if PASSWORD in query["sql"]]


def test_the_constraint_holds_in_the_database(box: Box) -> None:
    box.deleted = True
    with pytest.raises(IntegrityError), transaction.atomic():
        box.save()


def test_listing_needs_no_key(settings: Any, box: Box) -> None:
    settings.FIELD_ENCRYPTION_KEY = None
    listed = Box.objects.get()
    assert str(listed.secret) == repr(listed.secret) == f"{listed.secret}" == "***"
    assert repr(list(Box.objects.values("secret"))) == "[{'secret': ***}]"


def test_a_deferred_secret_is_loaded_when_asked_for(box: Box) -> None:
    with CaptureQueriesContext(connection) as queries:
        deferred = Box.objects.defer("secret").get()
        assert '"secret"' not in queries[0]["sql"]
        assert deferred.password() == PASSWORD
    assert len(queries) == 2


def test_saving_a_deferred_row_leaves_the_token_alone(box: Box) -> None:
    deferred = Box.objects.defer("secret").get()
    deferred.note = "edited"
    deferred.save()
    assert Box.objects.get().password() == PASSWORD


def test_refresh_brings_the_stored_secret_back(box: Box) -> None:
    box.secret = Secret("another")
    box.refresh_from_db()
    assert box.password() == PASSWORD


def test_clearing_and_replacing(box: Box) -> None:
    box.secret = Secret("another")
    box.save(update_fields=["secret"])
    assert Box.objects.get().password() == "another"
    box.secret = None
    box.save(update_fields=["secret"])
    assert raw_token(box) is None


def test_get_or_create_and_update_or_create_seal_what_is_in_defaults() -> None:
    made, _ = Box.objects.get_or_create(host="a", defaults={"secret": Secret(PASSWORD)})
    assert Box.objects.get(pk=made.pk).password() == PASSWORD
    Box.objects.update_or_create(host="a", defaults={"secret": Secret("another")})
    assert Box.objects.get(pk=made.pk).password() == "another"


def test_bulk_create_seals_each_for_its_own_destination() -> None:
    Box.objects.bulk_create([Box(host=host, secret=Secret(f"{host}-{PASSWORD}")) for host in "abc"])
    assert [box.password() for box in Box.objects.order_by("host")] == [
        f"{host}-{PASSWORD}" for host in "abc"
    ]


def test_bulk_update_keeps_stored_tokens_and_clears(box: Box) -> None:
    other = Box.objects.create(host="b", secret=Secret("other"))
    before = raw_token(box)
    boxes = list(Box.objects.order_by("pk"))
    boxes[1].secret = None
    Box.objects.bulk_update(boxes, ["secret", "note"])
    assert raw_token(box) == before
    assert raw_token(other) is None


def test_bulk_update_of_a_secret_not_saved_yet_is_refused(box: Box) -> None:
    before = raw_token(box)
    box.secret = Secret("another")
    with pytest.raises(TypeError, match="save") as caught, transaction.atomic():
        Box.objects.bulk_update([box], ["secret"])
    assert "another" not in str(caught.value)
    assert raw_token(box) == before


def test_a_queryset_update_takes_none_only(box: Box) -> None:
    before = raw_token(box)
    for value in (Secret(PASSWORD), PASSWORD):
        with pytest.raises(TypeError) as caught, transaction.atomic():
            Box.objects.update(secret=value)
        assert PASSWORD not in str(caught.value)
    assert raw_token(box) == before
    Box.objects.update(secret=None)
    assert raw_token(box) is None


@pytest.mark.parametrize(
    "expression",
    [
        F("note"),
        F("secret"),
        Value(PASSWORD),
        Upper("note"),
        Concat(F("note"), Value("x")),
        Value(PASSWORD, output_field=models.TextField()),
        models.Case(models.When(host="x", then=F("note")), default=Value(None)),
        models.Case(models.When(host="x", then=Value(None, SecretField())), default=F("note")),
        models.functions.Cast(F("note"), SecretField()),
        models.Subquery(Box.objects.values("note")[:1]),
    ],
)
def test_a_queryset_update_with_an_expression_is_refused(box: Box, expression: Any) -> None:
    before = raw_token(box)
    with pytest.raises(FieldError, match="secret"), transaction.atomic():
        Box.objects.update(secret=expression)
    assert raw_token(box) == before


@pytest.mark.parametrize(
    "lookup",
    [
        {"secret": PASSWORD},
        {"secret": Secret(PASSWORD)},
        {"secret__exact": PASSWORD},
        {"secret": F("note")},
        {"secret": ""},
        {"secret__in": [PASSWORD]},
        {"secret__contains": PASSWORD},
        {"secret__startswith": PASSWORD},
        {"secret__gt": PASSWORD},
        {"secret__regex": PASSWORD},
        {"secret__length": 7},
        {"alias": PASSWORD},
        {"alias__icontains": PASSWORD},
    ],
)
def test_looking_for_a_secret_is_refused_before_any_query(lookup: dict[str, Any]) -> None:
    with CaptureQueriesContext(connection) as queries:
        for method in (
            Box.objects.alias(alias=F("secret")).filter,
            Box.objects.alias(alias=F("secret")).exclude,
        ):
            with pytest.raises(FieldError) as caught:
                list(method(**lookup))
            assert PASSWORD not in str(caught.value)
    assert not queries.captured_queries


def test_whether_there_is_a_secret_can_be_asked(box: Box) -> None:
    Box.objects.create(host="without")
    for having in ({"secret__isnull": False},):
        assert [found.pk for found in Box.objects.filter(**having)] == [box.pk]
    for without in ({"secret__isnull": True}, {"secret": None}, {"secret__exact": None}):
        assert [found.host for found in Box.objects.filter(**without)] == ["without"]
        assert [found.pk for found in Box.objects.exclude(**without)] == [box.pk]


def test_two_stored_secrets_are_equal_when_their_tokens_are(box: Box) -> None:
    assert Box.objects.get().secret == box.secret
    assert Box.objects.get().secret != SealedSecret("other")
    assert box.secret != Secret(PASSWORD)
    assert Secret(PASSWORD) != box.secret
    assert box.secret != PASSWORD
    assert len({Box.objects.get().secret, box.secret}) == 1


def test_copies_share_the_secret_and_pickles_are_refused(box: Box) -> None:
    for duplicate in (copy.copy(box), copy.deepcopy(box)):
        assert duplicate.password() == PASSWORD
    for instance in (box, Box(host="h", secret=Secret(PASSWORD)), box.secret, Box.objects.all()):
        with pytest.raises(TypeError, match="serialised"):
            pickle.dumps(instance)


def test_migrations_name_the_field_by_its_public_path_whatever_its_base_is() -> None:
    field = Box._meta.get_field("secret")
    text, imports = MigrationWriter.serialize(field)
    assert text == "mailconfig.secrets.fields.SecretField(blank=True, null=True)"
    assert imports == {"import mailconfig.secrets.fields"}
    assert field.clone().deconstruct()[1:] == field.deconstruct()[1:]
    assert field.db_type(connection) == "text"


@pytest.mark.parametrize(
    "option", [{"unique": True}, {"db_index": True}, {"default": "x"}, {"primary_key": True}]
)
def test_options_that_make_no_sense_for_tokens_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(option))):
        SecretField(**option)


def test_rotated_keys_still_open_what_the_old_one_sealed(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = OLD
    box = Box.objects.create(host="h", secret=Secret(PASSWORD))
    before = raw_token(box)
    settings.FIELD_ENCRYPTION_KEY = [NEW, OLD]
    loaded = Box.objects.get()
    assert loaded.password() == PASSWORD
    loaded.save()
    assert raw_token(box) == before


def test_a_save_that_cannot_seal_leaves_the_text_in_no_frame(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEY = "malformed"
    with pytest.raises(ImproperlyConfigured) as caught, transaction.atomic():
        Box.objects.create(host="mail.example.com", secret=Secret(PASSWORD))
    assert PASSWORD not in variables_of(caught.value)
