"""Whether the name on letters, envelopes and lock screens gives away what is treated here. Pure."""

import re

# Beginnings of words that tell what is treated here. Letters, envelopes and lock screens bear the neutral name, so none
# of them may be in it (domain.md 7: forbidden in texts, subjects and notifications).
REVEALING = (
    "addict", "anxi", "bipolar", "counsel", "depress", "detox", "diagnos", "dose", "dosing", "drug", "esketamin",
    "infusion", "kap", "ketamin", "mdma", "mental", "mood", "narcotic", "neuro", "ocd", "opioid", "pain", "psilocy",
    "psych", "ptsd", "rehab", "spravato", "substance", "suicid", "therap", "trauma", "treatment",
)  # fmt: skip
# Whole words only: "Pain" gives something away, "Painter Street" does not.
_WHOLE_WORDS = frozenset({"kap", "pain", "mood", "ocd", "dose", "drug"})


def revealing_word(alias: str) -> str:
    """Return the first word of ``alias`` that tells what is treated here, or "" when it is neutral."""
    for word in (match.group() for match in re.finditer(r"[^\W_]+", alias)):
        folded = word.casefold()
        if any(folded in {root, root + "s"} if root in _WHOLE_WORDS else folded.startswith(root) for root in REVEALING):
            return word
    return ""
