"""The check that failovers are of use."""

from __future__ import annotations

import pytest

from mailconfig.checks.failovers import check_failovers
from mailconfig.models import Account
from tests.factories import make_account, make_tenant

pytestmark = pytest.mark.django_db


def test_failovers_that_never_take_mail_are_named_and_others_are_not() -> None:
    other = make_account(name="other")
    make_account(name="fine", failover=other)
    moved = make_account(name="moved", failover=other)
    Account.objects.filter(pk=moved.pk).update(tenant=make_tenant())
    begin, end = make_account(name="begin"), make_account(name="end")
    for one, two in ((begin, end), (end, begin)):
        Account.objects.filter(pk=one.pk).update(failover=two)
    make_account(name="leads to a loop", failover=begin)
    assert check_failovers(databases=None) == []
    (warning,) = check_failovers(databases=["default"])
    assert warning.id == "mailconfig.W031"
    assert "3 account(s)" in warning.msg
    for name in ("moved", "begin", "end"):
        assert name in warning.msg
