"""The pages of an import: a file is chosen, looked at, and stored account by account."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.crypto import get_random_string
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from mailconfig.admin.adding.kinds import kinds_allowed
from mailconfig.admin.themes import FileInput, dress
from mailconfig.admin.typed import AccountModelAdmin, user_of
from mailconfig.delivery import AccountRow, find_import, is_yaml_read, keep_import, read_account_rows
from mailconfig.models import AccountImport

from .storing import import_step, planned_rows

MAY_SKIP = "mailconfig.test_account"
MARK = "mailconfig_import"
"""Under which a session has the random mark that its drafts are sealed for: its key may be another with each answer (in cookies)."""


class FileForm(forms.Form):
    """The file, and whether to trust it."""

    file = forms.FileField(label=gettext_lazy("File (CSV or YAML)"), widget=FileInput)
    is_trying = forms.BooleanField(
        label=gettext_lazy("Try each connection, and store only what works"), required=False, initial=True
    )

    def __init__(self, *args: Any, may_skip: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_trying"].disabled = not may_skip
        for field in self.fields.values():
            dress(field.widget)


class AccountImports(AccountModelAdmin):
    """Adds the two pages. Who may add or change accounts of some kind may import; each row is asked about by itself."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view
        ours = [
            path("import/", view(self.upload_view), name="mailconfig_account_import"),
            path("import/<uuid:draft_id>/", view(self.import_view), name="mailconfig_account_import_rows"),
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With the button that leads to the import."""
        context = {"may_import": self.may_import(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def may_import(self, request: HttpRequest) -> bool:
        """Return whether this person may add or change accounts of some kind."""
        return bool(kinds_allowed(user_of(request), "add", "change"))

    @method_decorator(sensitive_variables())
    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the file, and go on to what it would change."""
        if not self.may_import(request):
            raise PermissionDenied
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        form = FileForm(*given, may_skip=user_of(request).has_perm(MAY_SKIP))
        if form.is_bound and form.is_valid():
            file = form.cleaned_data["file"]
            is_yaml = file.name.lower().endswith((".yaml", ".yml"))
            try:
                # Of a larger file no more is read than tells that it is too large.
                rows = read_account_rows(file.read(AccountRow.MOST_OCTETS + 1), is_yaml=is_yaml)
            except ValidationError as error:
                form.add_error("file", error)
            else:
                draft = keep_import(
                    rows=rows,
                    by=user_of(request),
                    session=request.session.setdefault(MARK, get_random_string(32)),
                    is_trying=form.cleaned_data["is_trying"],
                )
                return HttpResponseRedirect(self._url("import_rows", draft.pk))
        context = {"form": form, "size": AccountRow.MOST_OCTETS // 2**20, "rows": AccountRow.MOST_ROWS}
        context |= {"secrets": ", ".join(AccountRow.SECRETS), "is_yaml_read": is_yaml_read()}
        return self._page(request, "upload", context)

    @method_decorator([never_cache, sensitive_variables()])
    @transaction.non_atomic_requests
    def import_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """Show what the rows would change, import some of them, or show what became of them."""
        if not self.may_import(request):
            raise PermissionDenied
        found = find_import(draft_id=draft_id, by=user_of(request), session=request.session.get(MARK, ""))
        if found is None:
            text = _("This file is not kept any more: upload it again. It is kept for %(minutes)s minutes.")
            self.message_user(request, text % {"minutes": AccountImport.KEPT_MINUTES}, "WARNING")
            return HttpResponseRedirect(self._url("import"))
        draft, rows = found
        stopped, wait = "", 0
        # With the last row begun, what is left is to note what became of it, should its process have ended.
        if draft.sealed and (request.method == "POST" or draft.next_row >= len(rows)):
            if not user_of(request).has_perm(MAY_SKIP):
                draft.is_trying = True
            stopped, wait = import_step(request, self.admin_site, draft, rows)
            if not stopped:
                return HttpResponseRedirect(request.path)
            self.message_user(request, stopped, "WARNING")
        begun, left = draft.next_row > 0, len(rows) - draft.next_row if draft.sealed else 0
        shown: Any = draft.outcomes if begun else planned_rows(request, self.admin_site, rows)
        states = Counter(row["state"] if begun else row.state for row in shown)
        context = {"rows": shown, "begun": begun, "left": left, "states": states}
        goes_on = begun and left and (not stopped or wait)
        context |= {"goes_on": goes_on, "wait": wait, "is_trying": draft.is_trying}
        return self._page(request, "rows", context | {"list_url": self._url("changelist")})

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        shared = {
            **self.admin_site.each_context(request),
            "title": _("Import accounts"),
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, f"admin/mailconfig/account/import_{name}.html", shared | context)

    def _url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:mailconfig_account_{name}", args=args, current_app=self.admin_site.name)
