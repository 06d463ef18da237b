"""Content of a mail, for those who may know it: its text, its HTML in a frame, and its source as it is sent."""

from __future__ import annotations

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin

from mailconfig.delivery import read_content, read_preview, read_source
from mailconfig.models import Message

from .framed import framed
from .typed import MessageModelAdmin, user_of


class MessageContent(MessageModelAdmin):
    """Adds the pages that show content, which need a permission of their own."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view
        return [
            path("<path:object_id>/content/", view(self.content_view), name="mailconfig_message_content"),
            # Around what the admin's own wrapper returns: the host's middleware puts its header on what has none.
            path(
                "<path:object_id>/html/",
                xframe_options_sameorigin(view(self.html_view)),
                name="mailconfig_message_html",
            ),
            path("<path:object_id>/source/", view(self.source_view), name="mailconfig_message_source"),
            *super().get_urls(),
        ]

    @staticmethod
    def may_read(request: HttpRequest) -> bool:
        """Return whether this person may see what mail says."""
        return user_of(request).has_perm("mailconfig.view_content")

    def _readable(self, request: HttpRequest, object_id: str) -> Message:
        message = self.get_object(request, unquote(object_id))
        if not (self.has_view_permission(request, message) and self.may_read(request)):
            raise PermissionDenied
        if message is None:
            raise Http404
        return message

    @method_decorator(never_cache)
    def content_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the content of the message."""
        message = self._readable(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Content"),
            "subtitle": str(message),
            "opts": self.opts,
            "original": message,
            "content": read_content(message=message),
            "has_html": bool(read_preview(message=message)),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/mailconfig/message_content.html", context)

    @method_decorator(never_cache)
    def html_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the message's HTML, for a frame in which it can do nothing."""
        return framed(read_preview(message=self._readable(request, object_id)))

    @method_decorator(never_cache)
    def source_view(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        """Answer with the bytes of the message, as a file that no browser shows by itself."""
        message = self._readable(request, object_id)
        try:
            pieces = read_source(message=message)
        except OSError as error:
            raise Http404 from error
        if pieces is None:
            raise Http404
        answer = StreamingHttpResponse(pieces, content_type="message/rfc822")
        answer["Content-Disposition"] = f'attachment; filename="mail-{message.pk}.eml"'
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return answer
