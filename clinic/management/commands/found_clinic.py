"""``manage.py found_clinic``: a real clinic's first day, in a database without one.

The manager and the medical director get accounts without passwords and each a letter to set one; the second factor is
asked for at the first sign-in. Everything else is theirs to set up under Office.
"""

from argparse import ArgumentParser
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from django import forms
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments.actions import asking
from clinic import clock, neutralnames
from clinic.accounts import AccountAdapter, queue_security_letter
from clinic.actions import founding, places, system
from clinic.actions.founding import Founder, Site
from clinic.errors import Refused
from clinic.forms.places import LocationForm
from clinic.models import Role, User
from patients.actions import consenttexts
from sessions.actions import visittypes

# The options, the fields of FoundClinicForm, and what help says about each.
OPTIONS = {
    "location-name": "What the team calls the site, such as its city.",
    "alias": "The neutral name for letters: nothing that tells what is treated there.",
    "zone": "Its time zone, such as America/Denver.",
    "state": "Its state, such as CO.",
    "street": "Street and number.",
    "city": "City.",
    "postcode": "ZIP code.",
    "phone": "The number patients call.",
    "manager-name": "Who runs the place and invites everybody else.",
    "manager-email": "Their address, which they sign in with.",
    "director-name": "The medical director, a prescriber, who answers for the clinical limits.",
    "director-email": "Their address; the manager's, if it is the same person.",
}


class FoundClinicForm(LocationForm):
    """The site as its form has it, and the two people."""

    manager_name = forms.CharField(max_length=120)
    manager_email = forms.EmailField(max_length=254)
    director_name = forms.CharField(max_length=120)
    director_email = forms.EmailField(max_length=254)

    def clean_alias(self) -> str:
        alias = str(self.cleaned_data["alias"])
        word = neutralnames.revealing_word(alias)
        if word:
            raise forms.ValidationError(str(places.RevealingName(word)))
        return alias


# Where an option and the location form's field have different names.
_FIELDS = {"location-name": "name", "zone": "time_zone"}


class Command(BaseCommand):
    help = "Open a clinic in an empty database: one site, its manager and its medical director."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for option, help_text in OPTIONS.items():
            parser.add_argument(f"--{option}", default="", help=help_text)

    def handle(self, *args: Any, **options: Any) -> None:
        given = {_FIELDS.get(option, option.replace("-", "_")): options[option.replace("-", "_")] for option in OPTIONS}
        form = FoundClinicForm(given, current_zone=given["time_zone"])
        if not form.is_valid():
            names = {_FIELDS.get(option, option.replace("-", "_")): option for option in OPTIONS}
            raise CommandError(
                "\n".join(
                    f"--{names[field]}: {' '.join(str(sentence) for sentence in sentences)}"
                    for field, sentences in form.errors.items()
                )
            )
        try:
            (place,) = founding.found(sites=[_site(form)], founders=_founders(form), now=clock.now())
            asking.seed_first_rules(by=system.sam(now=clock.now()), now=clock.now())
            visittypes.publish_first(by=system.sam(now=clock.now()), now=clock.now())
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        drafts = consenttexts.draft_first_texts(by=system.sam(now=clock.now()), now=clock.now())
        self.stdout.write(
            self.style.SUCCESS(
                _("%(name)s is open, Monday to Friday, 8:00 to 18:00. The limits are in force.") % {"name": place.name}
            )
        )
        self.stdout.write(
            _("%(number)d consents wait to be read and published by the medical director, under “What patients sign”.")
            % {"number": len(drafts)}
        )
        for user in User.objects.staff().order_by("name"):
            _send_way_in(user)
            self.stdout.write(
                _("%(name)s gets a letter to %(email)s to set a password.") % {"name": user.name, "email": user.email}
            )
        self.stdout.write(
            _("Letters leave once worker, beat and the mail server run. If one does not arrive, “Forgot password” on %(url)s "
              "sends another. A second factor is set up at the first sign-in.")
            % {"url": settings.SITE_URL + reverse("account_login")}
        )  # fmt: skip


def _site(form: FoundClinicForm) -> Site:
    said = form.cleaned_data
    return Site(
        name=said["name"], alias=said["alias"], time_zone=said["time_zone"], state=said["state"], street=said["street"],
        city=said["city"], postcode=said["postcode"], phone=said["phone"],
    )  # fmt: skip


def _founders(form: FoundClinicForm) -> list[Founder]:
    """Return the manager and the director; one person where both have the same address."""
    said = form.cleaned_data
    manages = (said["name"], Role.MANAGER, dict[str, bool]())
    directs = (said["name"], Role.PRESCRIBER, {"is_medical_director": True})
    if said["manager_email"].lower() == said["director_email"].lower():
        return [Founder(said["manager_name"], said["manager_email"], [manages, directs])]
    return [
        Founder(said["manager_name"], said["manager_email"], [manages]),
        Founder(said["director_name"], said["director_email"], [directs]),
    ]


def _send_way_in(user: User) -> None:
    """Queue the letter with which somebody sets their first password: the same as "Forgot password" sends."""
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    queue_security_letter(user, "password_reset", {"url": AccountAdapter().get_reset_password_from_key_url(key)})
