"""Letters on their way: one row a message, which is both the queue and the record of what became of it."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .record import Record
from .worklist import WorkItem


class Channel(models.TextChoices):
    EMAIL = "email", _("e-mail")
    SMS = "sms", _("text message")


class Category(models.TextChoices):
    VISIT = "visit", _("about visits")
    QUESTIONNAIRE = "questionnaire", _("questionnaires")
    FOLLOW_UP = "follow_up", _("follow-up")
    WAITLIST = "waitlist", _("earlier openings")
    SECURITY = "security", _("security codes and invitations")
    REPLY = "reply", _("answers to your messages")
    STAFF_PAGE = "staff_page", _("urgent pages to staff")

    @property
    def is_urgent(self) -> bool:
        """Urgent letters go at once, at any hour, and cannot be opted out of."""
        return self in {Category.SECURITY, Category.REPLY, Category.STAFF_PAGE}


# A claimed letter that nobody recorded an outcome for is handed to a person after this long.
STUCK_AFTER = timedelta(minutes=15)


class OutboundMessageQuerySet(models.QuerySet["OutboundMessage"]):
    def deliverable(self, now: datetime) -> "OutboundMessageQuerySet":
        """Queued and due, urgent first, then oldest first."""
        return self.filter(status=OutboundMessage.Status.QUEUED, not_before__lte=now).order_by(
            "-is_urgent", "not_before"
        )

    def stuck(self, now: datetime) -> "OutboundMessageQuerySet":
        return self.filter(status=OutboundMessage.Status.SENDING, claimed_at__lt=now - STUCK_AFTER)

    def in_trouble(self) -> "OutboundMessageQuerySet":
        """Letters a person must look at: outcome unknown, or not sent and nobody has dealt with it yet."""
        to_do = WorkItem.objects.open().filter(kind=WorkItem.Kind.MESSAGE_FAILED, subject_id=models.OuterRef("pk"))
        unknown, failed = OutboundMessage.Status.UNKNOWN, OutboundMessage.Status.FAILED
        return self.filter(Q(status=unknown) | Q(models.Exists(to_do), status=failed), status__in=[unknown, failed])

    def waiting(self) -> "OutboundMessageQuerySet":
        return self.filter(status__in=[OutboundMessage.Status.QUEUED, OutboundMessage.Status.SENDING])

    def sent(self) -> "OutboundMessageQuerySet":
        return self.filter(status=OutboundMessage.Status.SENT)

    def not_sent(self) -> "OutboundMessageQuerySet":
        """Letters that came to an end without leaving: could not, need not, or were withdrawn."""
        status = OutboundMessage.Status
        return self.filter(status__in=[status.FAILED, status.SKIPPED, status.VOID])

    def about(self, subject_type: str, subject_id: uuid.UUID) -> "OutboundMessageQuerySet":
        return self.filter(subject_type=subject_type, subject_id=subject_id)


class OutboundMessage(Record):
    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("could not be sent")
        UNKNOWN = "unknown", _("outcome unknown")
        SKIPPED = "skipped", _("not sent")
        VOID = "void", _("withdrawn")

        @property
        def is_final(self) -> bool:
            return self not in {self.QUEUED, self.SENDING}

    class Reason(models.TextChoices):
        """What the post itself may say about a letter; other reasons belong to the letter. The label is for the desk."""

        NO_LONGER_USEFUL = "no_longer_useful", _("By the time it could have gone it would have helped nobody.")
        QUIET_HOURS = "quiet_hours", _("It would have arrived at night, and in the morning it was too late.")
        SUPPRESSED = "suppressed", _("This address asked for no more letters of this sort.")
        CHANNEL_NOT_SET_UP = "channel_not_set_up", _("This way of sending is not set up here.")
        LETTER_BROKEN = (
            "letter_broken",
            _("The letter could not be written. This is our fault; tell whoever runs the system."),
        )
        SECRET_LOST = "secret_lost", _("What the letter needed can no longer be read. Send a new one.")
        ADDRESS_MALFORMED = "address_malformed", _("The address is not one that letters can be sent to.")
        ADDRESS_REFUSED = "address_refused", _("The mail provider refused the address. Check it with the person.")
        LETTER_REFUSED = "letter_refused", _("The mail provider refused the letter.")
        SENDER_REFUSED = (
            "sender_refused",
            _("The mail provider refused us as the sender. Tell whoever runs the system."),
        )
        OPTED_OUT = "opted_out", _("The number has opted out of texts.")
        POST_UNREACHABLE = "post_unreachable", _("The mail provider could not be reached.")
        POST_BUSY = "post_busy", _("The mail provider asked us to try again later.")
        NO_ANSWER = "no_answer", _("The provider took the letter and did not answer. It may have arrived or not.")
        WORKER_LOST = "worker_lost", _("Sending was interrupted. It may have arrived or not.")
        BY_A_PERSON = "by_a_person", _("Somebody here found out that it did not arrive.")

    class RecipientKind(models.TextChoices):
        PATIENT = "patient", _("patient")
        CONTACT = "contact", _("contact")
        ENQUIRER = "enquirer", _("enquirer")
        STAFF = "staff", _("staff")

    # queued -> sending -> sent | failed | unknown, or back to queued to be tried again; queued -> skipped | void.
    # Unknown is settled by a person only.
    MOVES = {
        Status.QUEUED: {Status.SENDING, Status.SKIPPED, Status.VOID},
        Status.SENDING: {Status.SENT, Status.FAILED, Status.QUEUED, Status.UNKNOWN, Status.SKIPPED},
        Status.UNKNOWN: {Status.SENT, Status.FAILED},
    }

    # How each state looks (docs/components.md).
    LOOKS = {
        Status.QUEUED: "planned",
        Status.SENDING: "arriving",
        Status.SENT: "done",
        Status.FAILED: "alarm",
        Status.UNKNOWN: "unknown",
        Status.SKIPPED: "not_assessed",
        Status.VOID: "cancelled",
    }

    kind = models.CharField(_("kind"), max_length=40)
    category = models.CharField(_("category"), max_length=16, choices=Category)
    is_urgent = models.BooleanField(default=False)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    recipient_kind = models.CharField(max_length=8, choices=RecipientKind)
    recipient_id = models.UUIDField(null=True)
    address = models.CharField(_("address"), max_length=254)
    language = models.CharField(max_length=8, default="en")
    # The reader's zone, for quiet hours. What the letter says is in the clinic's zone.
    time_zone = models.CharField(max_length=40)
    location_id = models.UUIDField(null=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    schedule_version = models.PositiveIntegerField(default=1)
    # What the letter needs beyond its subject and must not lie about in clear, such as a sign-in code or the token of
    # a link: sealed with clinic.keyring and blanked once sent.
    secret = models.TextField(blank=True)
    status = models.CharField(_("state"), max_length=8, choices=Status, default=Status.QUEUED)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    queued_at = models.DateTimeField()
    not_before = models.DateTimeField()
    useful_until = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)
    # The provider's own words when it refused or put us off, for whoever has to find out what is wrong.
    provider_said = models.CharField(max_length=200, blank=True)
    settled_by_id = models.UUIDField(null=True, blank=True)

    # While it is in hand: the row that it is about, where its kind says how to read it (clinic.letters).
    subject: Any = None

    objects = OutboundMessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "subject_type", "subject_id", "kind", "channel", "schedule_version", "address",
                name="message_once_a_subject_kind_channel_and_version",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "sending"], settled_at=None)
                | Q(status__in=["sent", "failed", "unknown", "skipped", "void"], settled_at__isnull=False),
                name="message_settled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(claimed_at__isnull=False), name="message_sending_has_claim"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["failed", "skipped", "void"]) | ~Q(reason=""), name="message_not_sent_has_reason"
            ),
        ]  # fmt: skip
        indexes = [
            # Serves deliver_next: the queue itself, whatever the size of the history.
            models.Index(
                fields=["-is_urgent", "not_before"], condition=Q(status="queued"), name="message_queue"
            ),
            # Serves flag_stuck_messages and the queue's figures on /healthz.
            models.Index(fields=["claimed_at"], condition=Q(status="sending"), name="message_in_hand"),
            # Serves "what was sent, and why not" of a patient.
            models.Index(fields=["recipient_id", "-queued_at"], name="message_by_recipient"),
            # Serves the lists of a location's letters that were sent, or were not, newest first by keyset.
            models.Index(
                fields=["location_id", "-settled_at", "-id"], condition=Q(settled_at__isnull=False),
                name="message_settled_by_location",
            ),
            # Serves the list of letters that a person must look at.
            models.Index(
                fields=["location_id", "-settled_at"], condition=Q(status__in=["failed", "unknown"]), name="message_in_trouble"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"

    @property
    def look(self) -> str:
        return self.LOOKS[self.Status(self.status)]

    @property
    def is_in_doubt(self) -> bool:
        return self.status == self.Status.UNKNOWN


class Suppression(Record):
    """An address that must not be written to, for one category or (blank) for all that can be opted out of."""

    channel = models.CharField(max_length=8, choices=Channel)
    address = models.CharField(max_length=254)
    category = models.CharField(max_length=16, choices=Category, blank=True)
    reason = models.CharField(max_length=40)
    since = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "channel", "address", "category", condition=Q(lifted_at=None), name="suppression_once_an_address"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.category or 'all'}"
