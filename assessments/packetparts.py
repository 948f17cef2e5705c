"""The parts of the packet in their order, screen by screen (domain.md 1.1, 8.3)."""

from django.utils.translation import gettext_lazy as _

from assessments import packetconditions as conditions
from assessments.packetquestions import (
    NO,
    UNSURE,
    YES_NO,
    Kind,
    Question,
    Rows,
    Section,
    Step,
    choice,
    for_yes,
    line,
    tick,
    words,
)

SEXES = (
    ("female", _("Female")),
    ("male", _("Male")),
    ("intersex", _("Intersex")),
    ("unsaid", _("I would rather not say")),
)
LANGUAGES = (("en", _("English")), ("es", _("Spanish")), ("other", _("Another language")))
HOW_OFTEN = (
    ("never", _("Never")), ("once", _("Once or twice")), ("monthly", _("Every month")), ("weekly", _("Every week")),
    ("daily", _("Every day, or nearly")), (UNSURE, _("Not sure")),
)  # fmt: skip
USED = tuple(value for value, _label in HOW_OFTEN if value not in {"never", UNSURE})
TRANSPORT = (
    ("their_car", _("In their car")), ("taxi", _("In a taxi, together")), ("transit", _("By bus or train, together")),
    ("walk", _("On foot, together")), (UNSURE, _("Not sure yet")),
)  # fmt: skip
HELPED = (
    ("yes", _("Yes, it helped")), ("some", _("A little")), ("not", _("No, it did not help")), ("worse", _("It made things worse")),
    ("stopped", _("I had to stop before I could tell")), (UNSURE, _("Not sure")),
)  # fmt: skip

SUBSTANCES = (
    ("cannabis", _("Cannabis"), _("Also edibles and oils with THC.")),
    ("opioids", _("Opioids, other than a doctor told you"), _("Heroin, fentanyl, pain pills.")),
    ("sedatives", _("Sleeping or calming pills, other than a doctor told you"), ""),
    ("stimulants", _("Cocaine, speed, or ADHD pills, other than a doctor told you"), ""),
    ("psychedelics", _("LSD, mushrooms, MDMA or ayahuasca"), ""),
    ("inhalants", _("Poppers, gases or other things to breathe in"), ""),
)  # fmt: skip

ABOUT_YOU = Section(
    "about_you",
    _("About you"),
    4,
    (
        Step(
            "name",
            _("Is this you?"),
            (
                choice("identity_right", _("Is all of this right?"), choices=YES_NO),
                words("identity_wrong", _("What should be different?"), shown_for=(("identity_right", frozenset({NO}))), is_needed=True, longest=500,
                      help=_("We change nothing by ourselves. Somebody from the desk calls you about it.")),
                line("chosen_name", _("What should we call you?"), is_needed=False, longest=80,
                     help=_("Only if it is another name than your first name.")),
                line("pronouns", _("Your pronouns"), is_needed=False, longest=30, help=_("For example she/her, he/him, they/them.")),
            ),
        ),
        Step(
            "reach",
            _("Talking with you"),
            (
                choice("language", _("Which language do you like to speak with us?"), choices=LANGUAGES),
                line("language_other", _("Which one?"), shown_for=("language", frozenset({"other"})), longest=60),
                choice("needs_interpreter", _("Would you like an interpreter?"), choices=YES_NO),
                line("access_needs", _("Is there anything that makes it easier to come and be here?"), is_needed=False,
                     help=_("For example steps, light, sounds, reading, hearing.")),
            ),
        ),
        Step(
            "body_basics",
            _("Your body"),
            (
                choice("sex_at_birth", _("What sex was written down when you were born?"), choices=SEXES,
                       help=_("Some medicines work differently. This says nothing about who you are.")),
                Question(name="height_feet", text=_("How tall are you?"), kind=Kind.NUMBER, unit=_("feet"), least=2, most=8, is_needed=False),
                Question(name="height_inches", text=_("And inches"), kind=Kind.NUMBER, unit=_("inches"), least=0, most=11, is_needed=False),
                Question(name="height_cm", text=_("Or in centimeters"), kind=Kind.NUMBER, unit=_("cm"), least=90, most=250, is_needed=False),
            ),
        ),
        Step(
            "pregnancy",
            _("Pregnancy"),
            (
                choice("pregnancy_possible", _("Could you be pregnant, now or in the coming months?"),
                       help=_("Say no if it cannot happen, for whatever reason. Ketamine must not be given in pregnancy.")),
                *conditions.PREGNANCY.questions()[:1],
                choice("breastfeeding", _("Are you breastfeeding?")),
            ),
            intro=_("We ask everybody these three."),
        ),
    ),
    _("Who you are, and how we talk with you."),
)  # fmt: skip

CONTACTS = Section(
    "contacts",
    _("People we may call"),
    3,
    (
        Step(
            "emergency",
            _("In an emergency"),
            (
                choice("has_emergency", _("Is there somebody whom we may call if you are in danger?"), choices=YES_NO),
                line("emergency_name", _("Their name"), shown_for=for_yes("has_emergency"), longest=120),
                line("emergency_relationship", _("Who are they to you?"), shown_for=for_yes("has_emergency"), longest=40,
                     help=_("For example sister, friend, neighbor.")),
                Question(name="emergency_phone", text=_("Their phone"), kind=Kind.PHONE, longest=30, shown_for=for_yes("has_emergency")),
            ),
        ),
        Step(
            "escort",
            _("Getting home"),
            (
                choice("escort_possible", _("Can a grown-up you trust take you home after each treatment?"),
                       help=_("You may not drive until the next day.")),
                tick("escort_same", _("It is the person I named for an emergency"), shown_for=for_yes("escort_possible")),
                line("escort_name", _("Their name"), is_needed=False, shown_for=for_yes("escort_possible"), longest=120),
                line("escort_relationship", _("Who are they to you?"), is_needed=False, shown_for=for_yes("escort_possible"), longest=40),
                Question(name="escort_phone", text=_("Their phone"), kind=Kind.PHONE, longest=30, is_needed=False, shown_for=for_yes("escort_possible")),
                choice("transport", _("How would you get home together?"), choices=TRANSPORT, shown_for=for_yes("escort_possible")),
            ),
        ),
        Step(
            "home",
            _("At home"),
            (
                choice("lives_with", _("Does somebody live with you?"), choices=YES_NO),
                words("home_words", _("Is there something we should know about where you live?"), longest=1000,
                      help=_("For example small children you look after, or that home is not a safe place.")),
            ),
        ),
    ),
    _("Somebody for an emergency, and somebody who takes you home."),
)  # fmt: skip

HISTORY = Section(
    "history",
    _("Your health"),
    9,
    tuple(system.step() for system in conditions.SYSTEMS),
    _("Illnesses you have or had. “Not sure” is a good answer: we will look at it together."),
)

FAMILY = Section(
    "family",
    _("Your family"),
    1,
    (
        Step(
            "relatives",
            _("In your family"),
            (
                choice("family_psychosis", _("Has somebody in your family had psychosis or schizophrenia?"),
                       help=_("Hearing, seeing or believing things that others did not. Family by birth.")),
                choice("family_near", _("Was it a parent, a brother, a sister or a child of yours?"), shown_for=for_yes("family_psychosis")),
            ),
        ),
    ),
    _("Two questions."),
)  # fmt: skip

MEDICINES = Section(
    "medicines",
    _("Medicines and allergies"),
    5,
    (
        Step(
            "medicines",
            _("What you take"),
            (
                choice("medicines_all", _("Is this everything you take?"), shown_for=("no_medicines", frozenset({""})),
                       help=_("Also pills without a prescription, patches, sprays, vitamins and herbs.")),
            ),
            rows=Rows(
                "medicine",
                _("Medicine"),
                (
                    line("name", _("Name"), longest=200, help=_("As it stands on the box. Spelling does not matter.")),
                    line("dose", _("How much, and how often"), is_needed=False, longest=120, help=_("For example 50 mg in the morning.")),
                ),
                _("Add another medicine"),
                tick("no_medicines", _("I take none, not even now and then")),
            ),
            rows_first=True,
        ),
        Step(
            "allergies",
            _("Allergies"),
            (
                choice("allergy_ketamine", _("Have you ever reacted badly to ketamine or esketamine?"),
                       help=_("An allergy, such as a rash, swelling or trouble breathing.")),
                choice("allergy_excipient", _("Are you allergic to a sweetener, a flavor or a dye?"),
                       help=_("The medicine may be a tablet that melts in the mouth, with such things in it.")),
                line("allergy_excipient_which", _("Which one?"), shown_for=for_yes("allergy_excipient"), longest=120),
            ),
            rows=Rows(
                "allergy",
                _("Other allergy"),
                (
                    line("name", _("Allergic to"), longest=120),
                    line("reaction", _("What happens"), is_needed=False, longest=200),
                ),
                _("Add another allergy"),
                tick("no_allergies", _("I know of no other allergy")),
            ),
        ),
    ),
    _("Have your boxes or your list beside you."),
)  # fmt: skip

SUBSTANCE_USE = Section(
    "substances",
    _("Alcohol and other substances"),
    3,
    (
        Step(
            "ketamine_use",
            _("Ketamine and PCP"),
            (
                choice("ketamine_use", _("In the past 12 months, have you used ketamine or PCP more than once or twice?"),
                       help=_("Apart from treatment by a doctor. Esketamine from a clinic does not count.")),
                *conditions.KETAMINE_MISUSE.questions(),
            ),
            intro=_("Nobody is judged here. What you tell us keeps you safe: some things do not go together."),
        ),
        Step(
            "other_use",
            _("In the past 12 months"),
            (
                *(choice(f"use_{name}", text, help=text_help, choices=HOW_OFTEN) for name, text, text_help in SUBSTANCES),
                line("use_other", _("Anything else?"), is_needed=False),
            ),
            intro=_("How often have you used these? Alcohol has a short list of questions of its own."),
        ),
        Step(
            "problems",
            _("When it became a problem"),
            (*conditions.SUBSTANCE_USE_DISORDER.questions(), *conditions.OPIOID_USE_DISORDER.questions()),
        ),
    ),
    _("What you use, and how often."),
)  # fmt: skip

TREATMENTS = Section(
    "treatments",
    _("What you have tried"),
    5,
    (
        Step(
            "trials",
            _("Treatments so far"),
            (),
            rows=Rows(
                "trial",
                _("Treatment"),
                (
                    line("name", _("What was it?"), longest=120, help=_("A medicine, a therapy, or something else.")),
                    line("dose", _("The highest dose"), is_needed=False, longest=60),
                    Question(name="weeks", text=_("For how many weeks?"), kind=Kind.NUMBER, unit=_("weeks"), is_needed=False, least=0, most=2600),
                    choice("helped", _("Did it help?"), choices=HELPED),
                    choice("now", _("Was it for what troubles you now?"), is_needed=False,
                           help=_("And not for an earlier time that had passed.")),
                ),
                _("Add another treatment"),
                tick("no_trials", _("I have not tried anything")),
            ),
        ),
        Step(
            "ketamine_before",
            _("Ketamine as a treatment"),
            (
                choice("ketamine_before", _("Have you been treated with ketamine or esketamine before?")),
                words("ketamine_before_words", _("How was it?"), shown_for=for_yes("ketamine_before")),
            ),
        ),
    ),
    _("Medicines and therapies, and whether they helped."),
)  # fmt: skip

GOALS = Section(
    "goals",
    _("What you hope for"),
    4,
    (
        Step("reason", _("Why you come"), (words("reason", _("What troubles you most?"), is_needed=True, help=_("In your own words. A few are enough.")),)),
        Step("hopes", _("What you hope for"), (words("hopes", _("What would be different if this helps?")),)),
        Step("more", _("Anything else"), (words("more", _("Is there something we did not ask?")),)),
    ),
    _("In your own words."),
)  # fmt: skip

SECTIONS = (ABOUT_YOU, CONTACTS, HISTORY, FAMILY, MEDICINES, SUBSTANCE_USE, TREATMENTS, GOALS)
BY_CODE = {section.code: section for section in SECTIONS}
