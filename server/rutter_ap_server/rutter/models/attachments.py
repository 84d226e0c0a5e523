"""Files attached to a bill (Rutter docs: Bill Attachments)."""

from __future__ import annotations

from rutter_ap_server.rutter.models.base import Draft, Instant, Record


class Attachment(Record, frozen=True, kw_only=True):
    """A file on a bill. `created_at` is None on Xero. Ids may repeat within a connection.

    `file_url` is a link that needs no further credentials: treat it as a secret.
    """

    platform_id: str | None = None
    attached_to_id: str | None = None
    attached_to_type: str | None = None
    file_name: str
    file_url: str | None = None
    created_at: Instant | None = None


class AttachmentCreate(Draft, frozen=True, kw_only=True):
    """A file to attach, as Rutter accepts it: base64 of the bytes; the type is derived from the name."""

    file: str
    file_name: str
