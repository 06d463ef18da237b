"""Answers of a form to the page's own script: what a browser without it is shown as a page, as JSON. No secret is in either."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from mailconfig.admin.account_actions import as_shown
from mailconfig.admin.proof import proof_of
from mailconfig.models import ConnectionCheck

from .filling_in import filled_in

_ASKED = "_mailconfig_check_asked_for"


def wants_json(request: HttpRequest) -> bool:
    """Return whether the page's script asks, and no person's browser by itself."""
    return request.accepts("application/json") and not request.accepts("text/html")


def remember(request: HttpRequest, check: ConnectionCheck) -> None:
    """Keep the check that a worker makes of what this request stored."""
    setattr(request, _ASKED, check)


def answer(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return what a form answered, as JSON if its page's script sent it.

    ``{"url"}`` where it was saved, with ``check`` where a worker is still to try it; else what is wrong by field
    (``errors``, ``labels``), the ``check`` that did not pass, and what was ``filled`` in, with a ``proposal`` where somebody has to
    look at it first.
    """
    if not wants_json(request):
        return response
    if isinstance(response, HttpResponseRedirect):
        check: ConnectionCheck | None = getattr(request, _ASKED, None)
        return JsonResponse({"url": response.url, "check": str(check.uuid) if check else ""})
    if not isinstance(response, TemplateResponse):
        return response
    return JsonResponse(_refused(request, response.context_data or {}))


def shown_as_json(check: ConnectionCheck) -> dict[str, Any]:
    """Return a check as the page's script draws it."""
    shown = as_shown(check)
    names = ("ok", "is_open", "message", "hint", "server_text", "failed_at", "field_label", "stages")
    return {
        **{name: shown[name] for name in names},
        "title": capfirst(shown["title"]),
        "number": check.pk,
        "host": check.host,
        "port": check.port,
    }


def _refused(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    form = context["adminform"].form
    errors = {name: [str(error) for error in found] for name, found in form.errors.items()}
    for inline in context.get("inline_admin_formsets") or ():
        for index, found in enumerate(inline.formset.errors):
            for name, messages in found.items():
                errors[f"{inline.formset.prefix}-{index}-{name}"] = [str(one) for one in messages]
        if inline.formset.non_form_errors():
            errors.setdefault("__all__", []).extend(str(one) for one in inline.formset.non_form_errors())
    labels = {name: str(form[name].label) for name in errors if name in form.fields}
    proof = proof_of(request)
    check = shown_as_json(proof.check) if proof and proof.check else None
    filled = filled_in(request)
    return {
        "errors": errors,
        "labels": labels,
        "check": check,
        "filled": filled.values,
        "proposal": filled.proposal,
    }
