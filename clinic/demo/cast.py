"""(Roof) Who and where in the demo: sites, staff with their roles, the names of patients, what people write."""

from datetime import time

from clinic.actions.founding import Site
from clinic.models import Role

DENVER, PHOENIX = "Denver", "Phoenix"


EVERY_DAY = tuple(range(7))


Flags = dict[str, bool]


SITES = (
    Site("Denver", "Juniper Street", "America/Denver", "CO", "12 Juniper Street", "Denver", "80203", "(303) 555-0100", time(7), time(19), EVERY_DAY),
    Site("Phoenix", "Juniper Street", "America/Phoenix", "AZ", "7 Saguaro Way", "Phoenix", "85004", "(602) 555-0100", time(7), time(19), EVERY_DAY),
)  # fmt: skip


# Name, what the sign-in page says they do, and their roles.
CAST: tuple[tuple[str, str, list[tuple[str, Role, Flags]]], ...] = (
    ("Ada Abara", "runs the clinic in Denver, helps at the desk in Phoenix", [(DENVER, Role.MANAGER, {}), (PHOENIX, Role.FRONT_DESK, {})]),
    ("Frida Flores", "books, answers and checks people in", [(DENVER, Role.FRONT_DESK, {})]),
    ("Felix Fournier", "books, answers and checks people in", [(DENVER, Role.FRONT_DESK, {})]),
    ("Dana Deng", "prescribes, and answers for the limits", [(DENVER, Role.PRESCRIBER, {"is_medical_director": True, "can_dispense": True})]),
    ("Theo Thorne", "therapist, supervises Tara", [(DENVER, Role.THERAPIST, {})]),
    ("Tess Tanaka", "therapist", [(DENVER, Role.THERAPIST, {})]),
    ("Tara Todd", "therapist in training", [(DENVER, Role.THERAPIST, {"is_trainee": True})]),
    ("Nina Novak", "nurse, leads the pharmacy", [(DENVER, Role.NURSE, {"can_dispense": True, "is_pharmacy_lead": True})]),
    ("Nils Nyberg", "nurse", [(DENVER, Role.NURSE, {"can_dispense": True})]),
    ("Milo Marsh", "watches over people after a dose", [(DENVER, Role.MONITOR, {})]),
    ("Petra Petrov", "sees to it that records are opened for a reason", [(DENVER, Role.PRIVACY_OFFICER, {}), (PHOENIX, Role.PRIVACY_OFFICER, {})]),
    ("Omar Osei", "prescribes in Phoenix", [(PHOENIX, Role.PRESCRIBER, {"is_medical_director": True})]),
    ("Olga Ortiz", "books, answers and checks people in, in Phoenix", [(PHOENIX, Role.FRONT_DESK, {}), (PHOENIX, Role.MANAGER, {})]),
    ("Iris Ito", "nurse in Phoenix", [(PHOENIX, Role.NURSE, {})]),
)  # fmt: skip


GIVEN = [
    "Amara",
    "Beatriz",
    "Caleb",
    "Delphine",
    "Emeka",
    "Farah",
    "Giulia",
    "Hiroshi",
    "Imani",
    "Jonas",
    "Katya",
    "Lior",
    "Mireille",
    "Nadia",
    "Oskar",
    "Priya",
    "Quentin",
    "Rafael",
    "Saoirse",
    "Tomas",
    "Ulrike",
    "Viktor",
    "Wren",
    "Ximena",
    "Yusuf",
    "Zofia",
    "Anders",
    "Blessing",
    "Cormac",
    "Dalia",
    "Elif",
    "Fynn",
    "Greta",
    "Hana",
    "Ines",
    "Jamal",
    "Kofi",
    "Lena",
]


FAMILY = [
    "Abernathy",
    "Bianchi",
    "Castellanos",
    "Dubois",
    "Eriksen",
    "Fontaine",
    "Grimaldi",
    "Haddad",
    "Ivanova",
    "Jovanovic",
    "Kowalski",
    "Lindqvist",
    "Mbeki",
    "Nakamura",
    "O'Sullivan",
    "Petersen",
    "Quispe",
    "Rahman",
    "Santos",
    "Takahashi",
    "Ueda",
    "Vasquez",
    "Whitfield",
    "Xiong",
    "Yilmaz",
    "Zhang",
    "Adeyemi",
    "Brennan",
    "Chaudhry",
]


MESSAGES = (
    "I read your page and would like to know whether this could be something for me.",
    "My doctor mentioned you. I am free on weekday mornings.",
    "Nothing has really helped so far. I would like to talk to somebody.",
    "Could you tell me how long I would have to wait?",
    "I am asking for my sister, she would come herself.",
)
