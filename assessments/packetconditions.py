"""The questions about conditions in plain words, grouped by part of the body. Every kind that screening knows is asked once.

The words say what a doctor may have called it; the code is ``facts.ConditionKind`` (domain.md 1.3).
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from assessments.facts import ConditionKind as K
from assessments.facts import State
from assessments.packetquestions import Kind, Question, Step, choice, for_yes

# How something that goes on stands now, in a patient's words. "Not sure how" is present, and nobody says it is stable.
STATES: tuple[tuple[str, Any], ...] = (
    (State.CONTROLLED.value, _("I have it now. It is treated and steady")),
    (State.UNCONTROLLED.value, _("I have it now. It is not treated, or not steady")),
    (State.CURRENT.value, _("I have it now. I am not sure how steady it is")),
    (State.PAST.value, _("I had it. It is over")),
)


@dataclass(frozen=True)
class Asked:
    """One condition as the packet asks it. ``is_event``: it happened on a day, so that only the day is asked."""

    kind: K
    text: Any
    help: Any = ""
    is_event: bool = False

    @property
    def name(self) -> str:
        return self.kind.value

    @property
    def state_name(self) -> str:
        return f"{self.name}-state"

    @property
    def when_name(self) -> str:
        return f"{self.name}-when"

    def questions(self) -> tuple[Question, ...]:
        """Return the question itself and what is asked of those who say yes."""
        first = choice(self.name, self.text, help=self.help)
        when = Question(
            name=self.when_name, kind=Kind.WHEN, is_needed=False, shown_for=for_yes(self.name),
            text=_("When was it, or the last time?") if self.is_event else _("Since when, or when was it over?"),
            help=_("A month and a year are enough, like 3/2021. Leave it empty if you do not know."),
        )  # fmt: skip
        if self.is_event:
            return (first, when)
        state = choice(self.state_name, _("How is it now?"), choices=STATES, shown_for=for_yes(self.name))
        return (first, state, when)


@dataclass(frozen=True)
class System:
    """The conditions of one screen."""

    name: str
    title: Any
    asked: tuple[Asked, ...]
    intro: Any = ""

    def step(self) -> Step:
        return Step(self.name, self.title, tuple(q for one in self.asked for q in one.questions()), intro=self.intro)


SYSTEMS = (
    System(
        "heart",
        _("Your heart"),
        (
            Asked(K.HYPERTENSION, _("Have you had high blood pressure?")),
            Asked(K.MYOCARDIAL_INFARCTION, _("Have you had a heart attack?"), is_event=True),
            Asked(
                K.UNSTABLE_ANGINA,
                _("Have you had chest pain that came at rest, or got worse quickly?"),
                _("A doctor may have called it unstable angina."),
            ),
            Asked(
                K.REVASCULARISATION,
                _("Have you had a stent or a bypass?"),
                _("A procedure that opens or goes around a blocked vessel."),
                is_event=True,
            ),
            Asked(K.HEART_FAILURE, _("Has a doctor said that your heart pumps too weakly?"), _("Heart failure.")),
            Asked(
                K.ARRHYTHMIA,
                _("Has a doctor found that your heart beats out of rhythm?"),
                _("For example atrial fibrillation."),
            ),
            Asked(
                K.AV_BLOCK, _("Has a doctor found a heart block?"), _("The signal in the heart is held up: AV block.")
            ),
            Asked(K.VALVE_DISEASE_SEVERE, _("Has a doctor found a heart valve that is badly narrow or leaks a lot?")),
        ),
    ),
    System(
        "vessels",
        _("Blood vessels"),
        (
            Asked(
                K.ANEURYSM,
                _("Has a doctor found a weak, bulging spot in a blood vessel?"),
                _("An aneurysm: in the head, the chest, the belly or elsewhere. Also if it was repaired."),
            ),
            Asked(
                K.ARTERIOVENOUS_MALFORMATION,
                _("Has a doctor found a tangle of blood vessels?"),
                _("An arteriovenous malformation, or AVM."),
            ),
            Asked(K.STROKE, _("Have you had a stroke?"), is_event=True),
            Asked(
                K.TIA,
                _("Have you had a “mini-stroke” that went away by itself?"),
                _("A TIA: for a short time you could not speak, see or move as usual."),
                is_event=True,
            ),
            Asked(K.INTRACEREBRAL_HAEMORRHAGE, _("Have you ever had bleeding in the brain?"), is_event=True),
            Asked(
                K.BP_RISE_HAZARD,
                _("Has a doctor said that high blood pressure would be dangerous for you, for any other reason?"),
            ),
        ),
    ),
    System(
        "head",
        _("Your head"),
        (
            Asked(K.SEIZURE_DISORDER, _("Have you had seizures or epilepsy?")),
            Asked(
                K.HEAD_INJURY_SYMPTOMATIC,
                _("Have you had a head injury that you still feel?"),
                _("For example headaches, dizziness, or trouble thinking since then."),
            ),
            Asked(
                K.RAISED_INTRACRANIAL_PRESSURE, _("Has a doctor said that the pressure inside your head is too high?")
            ),
            Asked(K.INTRACRANIAL_MASS, _("Has a doctor found a growth or tumor inside your head?")),
            Asked(
                K.HYDROCEPHALUS,
                _("Has a doctor said that there is too much fluid in your head?"),
                _("Hydrocephalus. Also if you have a shunt."),
            ),
            Asked(
                K.DEMENTIA,
                _("Has a doctor said that you have dementia, or a serious memory illness?"),
            ),
        ),
    ),
    System(
        "eyes",
        _("Your eyes"),
        (
            Asked(K.GLAUCOMA, _("Have you had glaucoma?"), _("The pressure in the eye is too high.")),
            Asked(
                K.ANGLE_CLOSURE,
                _("Have you had a sudden attack of high pressure in the eye?"),
                _("Angle closure: sudden pain, and the sight becomes blurred."),
            ),
            Asked(K.OPEN_GLOBE_INJURY, _("Have you had an injury that opened the eye?")),
        ),
    ),
    System(
        "breathing",
        _("Breathing and sleep"),
        (
            Asked(
                K.SLEEP_APNOEA_SEVERE,
                _("Has a doctor said that you have severe sleep apnea?"),
                _("The breath stops many times a night. “Treated” means that you use a machine or another treatment."),
            ),
            Asked(K.COPD_SEVERE, _("Has a doctor said that you have severe COPD?"), _("A lung disease.")),
            Asked(K.HOME_OXYGEN, _("Do you use oxygen at home?")),
            Asked(
                K.RESPIRATORY_INFECTION_ACUTE,
                _("Do you have an infection of the lungs or airways right now?"),
                _("For example pneumonia, flu, COVID or a bad cold."),
            ),
        ),
    ),
    System(
        "body",
        _("Liver, bladder, thyroid"),
        (
            Asked(
                K.HEPATIC_IMPAIRMENT_SEVERE,
                _("Has a doctor said that your liver is badly damaged, or failing?"),
            ),
            Asked(
                K.HEPATIC_IMPAIRMENT_MODERATE,
                _("Has a doctor said that your liver works less well than it should?"),
                _("For example hepatitis, cirrhosis or a fatty liver with bad blood tests."),
            ),
            Asked(
                K.KETAMINE_CYSTITIS,
                _("Has ketamine ever hurt your bladder?"),
                _("Pain or having to go very often, while you used ketamine."),
            ),
            Asked(
                K.INTERSTITIAL_CYSTITIS,
                _("Has a doctor said that your bladder is sore for a long time, without an infection?"),
                _("Interstitial cystitis, or bladder pain syndrome."),
            ),
            Asked(K.HAEMATURIA_UNEXPLAINED, _("Have you had blood in your urine, and nobody found out why?")),
            Asked(
                K.HYPERTHYROIDISM,
                _("Has a doctor said that your thyroid works too fast?"),
                _("Hyperthyroidism, for example Graves’ disease."),
            ),
            Asked(
                K.PORPHYRIA_ACUTE,
                _("Has a doctor said that you have porphyria?"),
                _("A rare illness that runs in families, with attacks of belly pain."),
            ),
        ),
    ),
    System(
        "mind",
        _("Times when things were different"),
        (
            Asked(
                K.PSYCHOSIS,
                _("Have you had a time when you heard, saw or believed things that other people did not?"),
                _("A doctor may have called it psychosis. Not counting dreams, or times when you had taken something."),
            ),
            Asked(K.PSYCHOSIS_DRUG_INDUCED, _("Has that happened because of something you had taken?")),
            Asked(
                K.SCHIZOPHRENIA_SPECTRUM,
                _("Has a doctor said that you have schizophrenia, or schizoaffective disorder?"),
            ),
            Asked(K.DELUSIONAL_DISORDER, _("Has a doctor said that you have a delusional disorder?")),
            Asked(
                K.MANIA,
                _("Have you had days when you were far too “up”: hardly any sleep, racing thoughts, big plans?"),
                _("A doctor may have called it mania or hypomania."),
            ),
            Asked(K.BIPOLAR_DISORDER, _("Has a doctor said that you have bipolar disorder?")),
        ),
        _("Many people have had times like these. We ask so that the treatment is safe for you."),
    ),
    System(
        "self",
        _("How you are with yourself"),
        (
            Asked(
                K.DISSOCIATIVE_DISORDER,
                _("Has a doctor said that you have a dissociative disorder?"),
                _("For example losing time, or feeling like several people."),
            ),
            Asked(
                K.PERSONALITY_DISORDER_SEVERE,
                _("Has a doctor said that you have a severe personality disorder?"),
            ),
            Asked(
                K.SUICIDE_ATTEMPT,
                _("Have you ever tried to end your life?"),
                _("Whatever you answer, we want to hear it. If you might not be safe now, call or text 988."),
                is_event=True,
            ),
        ),
        _("These questions can be hard. You can stop any time."),
    ),
)

# Asked in other parts of the packet, where they belong in a conversation.
PREGNANCY = Asked(K.PREGNANCY, _("Are you pregnant now?"))
KETAMINE_MISUSE = Asked(
    K.KETAMINE_MISUSE, _("Has ketamine or PCP ever been a problem for you?"), _("To you, to a doctor, or to people close to you.")
)  # fmt: skip
SUBSTANCE_USE_DISORDER = Asked(
    K.SUBSTANCE_USE_DISORDER,
    _("Has a doctor said that you have a problem with alcohol, drugs or pills?"),
    _("A substance use disorder, or addiction. Apart from opioids, which are asked next."),
)
OPIOID_USE_DISORDER = Asked(
    K.OPIOID_USE_DISORDER,
    _("Have you ever had a problem with opioids?"),
    _("Heroin, fentanyl, or pain pills such as oxycodone. Also if you take methadone or buprenorphine for it."),
)

ELSEWHERE = (PREGNANCY, KETAMINE_MISUSE, SUBSTANCE_USE_DISORDER, OPIOID_USE_DISORDER)
EVERY = (*(one for system in SYSTEMS for one in system.asked), *ELSEWHERE)
