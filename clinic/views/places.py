"""The office: what is set up at a location and what is missing; its locations, rooms and equipment."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime, policy
from clinic.access import (
    GET_POST,
    Permission,
    get_equipment_or_404,
    get_location_or_404,
    get_room_or_404,
    locations_where,
    managed_location,
    staff_view,
)
from clinic.actions import places
from clinic.errors import Refused
from clinic.forms.places import (
    AddEquipmentForm,
    AddLocationForm,
    AddRoomForm,
    EditEquipmentForm,
    EditLocationForm,
    EditRoomForm,
)
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import (
    Closure,
    Device,
    EnrolledDevice,
    Location,
    Membership,
    OpeningHours,
    Role,
    Room,
    StaffInvitation,
    TimeOff,
    WorkingHours,
)


def _data(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _page(request: StaffRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    return answer(request, template, {"form": form, **context}, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.PLACES_MANAGE)
def office(request: StaffRequest) -> HttpResponse:
    """Return what is set up at the location, with what is missing first; elsewhere, where this person is a manager."""
    managed = locations_where(request.user, Permission.PLACES_MANAGE)
    own = list(Location.objects.active().filter(pk__in=managed).order_by("name"))
    here = next((location for location in own if location.pk == request.location.pk), None)
    context: dict[str, Any] = {"here": here, "locations": own}
    if here is not None:
        cards = _cards(request, here)
        context |= {
            "cards": cards,
            "missing": [card for card in cards if card["missing"]],
            "coming": _coming(request, here),
        }
    return answer(request, "clinic/office.html", context)


def _cards(request: StaffRequest, location: Location) -> list[dict[str, Any]]:
    """Return a card for everything a location needs: how much of it there is, and what is missing. Seven queries."""
    today = localtime.day_of(request.now, location.tz)
    rooms = Room.objects.filter(location=location).aggregate(
        used=Count("id", filter=Q(is_in_use=True)), idle=Count("id", filter=Q(is_in_use=False))
    )
    equipment = Device.objects.filter(location=location, is_in_use=True).count()
    days = OpeningHours.objects.filter(location=location).count()
    live = Membership.objects.live().filter(location=location)
    clinicians = [role for role in Role if role.is_clinician]
    people = live.aggregate(
        all=Count("user", distinct=True), clinicians=Count("user", filter=Q(role__in=clinicians), distinct=True)
    )
    planned = WorkingHours.objects.filter(location=location).filter(Q(valid_until=None) | Q(valid_until__gte=today))
    hourless = live.filter(role__in=clinicians).exclude(user_id__in=planned.values("user_id"))
    without = list(hourless.order_by("user__name").values_list("user__name", flat=True).distinct())
    invited = StaffInvitation.objects.open(request.now).filter(location=location).count()
    screens = EnrolledDevice.objects.filter(location=location, revoked_at=None).count()
    return [
        _card(
            _("People"), "person-badge", "clinic:people",
            ngettext("%(n)d person", "%(n)d people", people["all"]) % {"n": people["all"]},
            _("%(n)d invited") % {"n": invited} if invited else _("Roles, licences, invitations."),
            "" if people["clinicians"] else _("Nobody here can see patients yet. Invite a clinician."),
        ),
        _card(
            _("Rooms and equipment"), "door-open", "clinic:rooms",
            ngettext("%(n)d room", "%(n)d rooms", rooms["used"]) % {"n": rooms["used"]},
            ", ".join(
                [
                    ngettext("%(n)d piece of equipment", "%(n)d pieces of equipment", equipment) % {"n": equipment},
                    *([_("%(n)d out of use") % {"n": rooms["idle"]}] if rooms["idle"] else []),
                ]
            ),
            "" if rooms["used"] else _("There is no room yet, so no visit can be booked. Add the first one."),
        ),
        _card(
            _("Opening hours"), "shop-window", "clinic:hours",
            ngettext("Open %(n)d day a week", "Open %(n)d days a week", days) % {"n": days} if days else _("Closed"),
            _("Closures and federal holidays too."),
            "" if days else _("No opening hours are set, so the location counts as closed. Set its week."),
        ),
        _card(
            _("Working hours"), "clock", "clinic:hours",
            _("%(n)d of %(all)d clinicians") % {"n": people["clinicians"] - len(without), "all": people["clinicians"]}
            if people["clinicians"]
            else _("No clinicians yet"),
            _("Time off too. Who has no hours is not offered."),
            _("Without hours, and so never offered: %(names)s.") % {"names": ", ".join(without)} if without else "",
        ),
        _card(
            _("On call"), "telephone-forward", "clinic:rota", _("First and second, day and night"),
            _("Who is called when a patient may be in danger."), "",
        ),
        _card(
            _("Enrolled devices"), "tablet", "clinic:devices",
            ngettext("%(n)d screen", "%(n)d screens", screens) % {"n": screens},
            _("Room tablets, wall boards, kiosks."), "",
        ),
        _card(
            _("Instruments"), "card-checklist", "assessments:instruments", _("Questionnaires and ratings"),
            _("What may be shown, under which permission, and what is asked when."), "",
        ),
        _card(
            _("Policy in force"), "shield-check", "clinic:policy",
            _("Version %(n)d") % {"n": policy.in_force(request.now).number},
            _("Every clinical limit and who answers for it."), "",
        ),
    ]  # fmt: skip


def _card(title: str, icon: str, url_name: str, value: str, text: str, missing: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "url": reverse(url_name), "value": value, "text": text, "missing": missing}


def _coming(request: StaffRequest, location: Location) -> list[dict[str, str]]:
    """Return the closures and absences of the next weeks in order, eight at most. Two queries."""
    here = Membership.objects.live().filter(location=location).values("user_id")
    away = TimeOff.objects.filter(user_id__in=here, cancelled_at=None, during__endswith__gt=request.now)
    shut = Closure.objects.filter(location=location, cancelled_at=None, during__endswith__gt=request.now)
    rows: list[tuple[TimeOff | Closure, str, str, str]] = [
        (row, row.user.name, _("away"), "person-dash") for row in away.select_related("user").order_by("during")[:8]
    ]
    rows += [(row, row.name, _("closed"), "door-closed") for row in shut.order_by("during")[:8]]
    rows.sort(key=lambda line: line[0].starts_at)
    return [
        {
            "name": name, "what": what, "icon": icon,
            "when": localtime.stretch_text(row.starts_at, row.ends_at, location.tz),
        }
        for row, name, what, icon in rows[:8]
    ]  # fmt: skip


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def add_location(request: StaffRequest) -> HttpResponse:
    """Add a location and become its manager."""
    form = AddLocationForm(_data(request))
    if form.is_valid():
        try:
            location = places.add_location(by=request.user, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            request.session["location_id"] = str(location.pk)
            messages.success(request, _("%(name)s is added, and you are its manager.") % {"name": location.name})
            return go(request, "clinic:office")
    return _page(request, "clinic/add_location.html", form)


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def edit_location(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Describe a location anew."""
    location = get_location_or_404(request, location_id, Permission.PLACES_MANAGE)
    initial = {name: getattr(location, name) for name in EditLocationForm.base_fields}
    form = EditLocationForm(_data(request), initial=initial, current_zone=location.time_zone)
    if form.is_valid():
        try:
            after = places.edit_location(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            messages.success(request, _("%(name)s is saved.") % {"name": after.name})
            return go(request, "clinic:office")
    return _page(request, "clinic/edit_location.html", form, location=location)


def _field_of(refusal: Refused) -> str | None:
    """Return the field beside which a refusal is said."""
    if isinstance(refusal, places.RevealingName):
        return "alias"
    if isinstance(refusal, places.LocationNameTaken | places.RoomNameTaken | places.EquipmentNameTaken):
        return "name"
    return "time_zone" if isinstance(refusal, places.NoSuchZone | places.ZoneInUse) else None


@staff_view(Permission.PLACES_MANAGE)
def rooms(request: StaffRequest) -> HttpResponse:
    """Return the rooms and the equipment of the location, those in use first."""
    location = managed_location(request, Permission.PLACES_MANAGE)
    here = Room.objects.filter(location=location).order_by("-is_in_use", "name")
    equipment = Device.objects.filter(location=location).order_by("-is_in_use", "kind", "name")
    context = {
        "location": location,
        "rooms": [
            {"id": room.pk, "name": room.name, "kind": room.get_kind_display(), "is_in_use": room.is_in_use} for room in here
        ],
        "equipment": [
            {
                "id": device.pk, "name": device.name, "kind": device.get_kind_display(), "is_in_use": device.is_in_use,
                "serial_number": device.serial_number,
            }
            for device in equipment
        ],
    }  # fmt: skip
    return answer(request, "clinic/rooms.html", context)


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def add_room(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Add a room to a location."""
    location = get_location_or_404(request, location_id, Permission.PLACES_MANAGE)
    form = AddRoomForm(_data(request))
    if form.is_valid():
        try:
            room = places.add_room(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            messages.success(request, _("%(name)s is added.") % {"name": room.name})
            return go(request, "clinic:rooms")
    return _page(request, "clinic/add_room.html", form, location=location)


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def edit_room(request: StaffRequest, room_id: UUID) -> HttpResponse:
    """Rename a room, change its kind, take it out of use or back."""
    room = get_room_or_404(request, room_id)
    form = EditRoomForm(_data(request), initial={"name": room.name, "kind": room.kind, "is_in_use": room.is_in_use})
    if form.is_valid():
        try:
            after = places.edit_room(by=request.user, room=room, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            messages.success(request, _in_use_text(after.name, after.is_in_use))
            return go(request, "clinic:rooms")
    return _page(request, "clinic/edit_room.html", form, room=room)


def _in_use_text(name: str, is_in_use: bool) -> str:
    if is_in_use:
        return _("%(name)s is saved, and in use.") % {"name": name}
    return _("%(name)s is out of use. Visits that are booked with it stay on the schedule.") % {"name": name}


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def add_equipment(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Add a piece of equipment to a location."""
    location = get_location_or_404(request, location_id, Permission.PLACES_MANAGE)
    form = AddEquipmentForm(_data(request))
    if form.is_valid():
        try:
            equipment = places.add_equipment(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            messages.success(request, _("%(name)s is added.") % {"name": equipment.name})
            return go(request, "clinic:rooms")
    return _page(request, "clinic/add_equipment.html", form, location=location)


@staff_view(Permission.PLACES_MANAGE, methods=GET_POST)
def edit_equipment(request: StaffRequest, equipment_id: UUID) -> HttpResponse:
    """Describe a piece of equipment anew, take it out of use or back."""
    equipment = get_equipment_or_404(request, equipment_id)
    initial = {name: getattr(equipment, name) for name in EditEquipmentForm.base_fields}
    form = EditEquipmentForm(_data(request), initial=initial)
    if form.is_valid():
        try:
            after = places.edit_equipment(by=request.user, equipment=equipment, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(_field_of(refusal), str(refusal))
        else:
            messages.success(request, _in_use_text(after.name, after.is_in_use))
            return go(request, "clinic:rooms")
    return _page(request, "clinic/edit_equipment.html", form, equipment=equipment)
