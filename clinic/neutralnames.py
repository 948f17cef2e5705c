"""The words that give away what is treated here: in no letter, on no envelope and no lock screen (domain.md 7). Pure.

One list for the names that locations may be called by, the letters, the streets in them and the names they greet.
"""

import re

# Beginnings of words. Whatever goes on from here tells: "therapy", "therapist", "therapeutic".
_BEGINNINGS = (
    "addict", "anxi", "bipolar", "counsel", "depress", "detox", "diagnos", "dosag", "dosing", "escort", "esketamin",
    "infusion", "ketamin", "lozenge", "mdma", "medicat", "medicine", "mental", "narcotic", "neuro", "opioid", "phq",
    "prescri", "psilocy", "psych", "rehab", "score", "spravato", "substance", "suicid", "therap", "trauma", "treatment",
)  # fmt: skip
# Whole words, alone or with an "s": "Pain" gives something away, "Painter Street" does not.
_WHOLE_WORDS = ("dose", "drug", "kap", "mood", "ocd", "pain", "ptsd")
_REVEALING = re.compile(
    rf"(?<![^\W_])(?:(?:{'|'.join(_BEGINNINGS)})[^\W_]*|(?:(?:{'|'.join(_WHOLE_WORDS)})s?|gad-?7)(?![^\W_]))",
    re.IGNORECASE,
)


def revealing_words(text: str) -> list[str]:
    """Return the words in ``text`` that tell a stranger what the clinic does; none in a letter that may leave."""
    return sorted({found.lower() for found in _REVEALING.findall(text)})


def revealing_word(alias: str) -> str:
    """Return the first word of ``alias`` that tells what is treated here, or "" when it is neutral."""
    found = _REVEALING.search(alias)
    return found.group() if found else ""
