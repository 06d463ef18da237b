"""The pages of the suppression list: entries are added, taken away, imported and exported, and never edited."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig import delivery
from mailconfig.models import Suppression, Tenant

from .bounces import OfMessage
from .durations import moment_text
from .lookups import OfferedLookups
from .paging import CappedChangeList, CappedPaginator
from .tenant_filter import TenantFilter
from .themes import FileInput, dress
from .typed import SuppressionModelAdmin, user_of
from .within_reach import chooses_among_own, rows_within_reach

GIVEN = ("tenant", "address", "reason", "note")


class _ListForm(forms.Form):
    """Choice of a list: one of this person's tenants', or that of no tenant."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tenant = self.fields["tenant"]
        assert isinstance(tenant, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        tenant.queryset = rows_within_reach(Tenant.objects.all(), request)
        if chooses_among_own(request):
            tenant.required = True
        for field in self.fields.values():
            dress(field.widget)

    tenant = forms.ModelChoiceField(
        Tenant.objects.none(),
        required=False,
        label=capfirst(gettext_lazy("list of")),
        empty_label=gettext_lazy("accounts without tenant"),
    )


class ImportForm(_ListForm):
    """A file to import."""

    file = forms.FileField(label=gettext_lazy("CSV file"), widget=FileInput)
    only_looks = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("Only say what would happen")
    )

    def clean_file(self) -> Any:
        """Refuse what is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > delivery.SuppressionImport.MOST_OCTETS:
            raise ValidationError(_("The file is too large."))
        return file


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new entry."""

    def clean_address(self) -> str:
        """Return it in the form in which it is compared."""
        return delivery.checked_entry(self.cleaned_data["address"])


@admin.register(Suppression)
class SuppressionAdmin(OfferedLookups, OfMessage, SuppressionModelAdmin):
    """Addresses and domains to which no mail goes, or no bulk mail. Deleting one lets mail go there again."""

    form = SuppressionForm
    list_display = ("address", "tenant_name", "reason", "note", "message_link", "created")
    list_filter = ("reason", TenantFilter)
    list_select_related = ("message", "tenant", "created_by")
    search_fields = ("address",)
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("export_as_csv",)
    fields = ("address", "tenant_name", "reason", "note", "message_link", "created_by", "created_at")

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what a person gives of a new one, and what is known of one that is there."""
        return GIVEN if obj is None else self.fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer this person's tenants."""
        if db_field.name == "tenant":
            kwargs["empty_label"] = _("accounts without tenant")
            kwargs["widget"] = forms.Select
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Store who listed it."""
        obj.created_by = user_of(request)
        super().save_model(request, obj, form, change)

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_as_csv(self, request: HttpRequest, rows: QuerySet[Suppression]) -> StreamingHttpResponse:
        """Answer a file with the entries."""
        lines = delivery.export_suppressions(rows.order_by("pk").iterator(chunk_size=1000))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="mailconfig_suppression_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form, what would come of a file, or what did."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        form = ImportForm(*given, request=request)
        report = None
        if form.is_bound and form.is_valid():
            report = self._import(request, form)
            if report is not None and not form.cleaned_data["only_looks"] and not report.bad:
                return HttpResponseRedirect(
                    reverse("admin:mailconfig_suppression_changelist", current_app=self.admin_site.name)
                )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import suppressed addresses"),
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "report": report,
            "size": delivery.SuppressionImport.MOST_OCTETS // 2**20,
            "rows": delivery.SuppressionImport.MOST_LINES,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/mailconfig/suppression/import.html", context)

    def _import(self, request: HttpRequest, form: ImportForm) -> delivery.SuppressionImport | None:
        tenant, only_looks = form.cleaned_data["tenant"], form.cleaned_data["only_looks"]
        try:
            report = delivery.import_suppressions(
                form.cleaned_data["file"].read(),
                tenant_id=None if tenant is None else tenant.pk,
                by=user_of(request),
                only_looks=only_looks,
            )
        except ValidationError as error:
            form.add_error("file", error)
            return None
        said = _("%(new)s new, %(known)s known already, %(bad)s lines not read.") % {
            "new": report.new,
            "known": report.known,
            "bad": report.bad,
        }
        messages.info(request, f"{said} {_('Nothing was written.')}" if only_looks else said)
        return report

    @admin.display(description=gettext_lazy("tenant"))
    def tenant_name(self, suppression: Suppression) -> str:
        """Say whose mail does not go there."""
        return str(suppression.tenant) if suppression.tenant else "–"

    @admin.display(description=gettext_lazy("since"))
    def created(self, suppression: Suppression) -> str:
        """When, as short as it can be said."""
        return moment_text(suppression.created_at, timezone.now())
