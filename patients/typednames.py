"""Is this the name on record? For a name typed under a consent: pure, and forgiving of how, but not of who."""

import unicodedata

# Letters that no accent makes: what people type for them where a keyboard has none.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def is_the_name(typed: str, *, given: str, family: str, middle: str = "") -> bool:
    """Return whether ``typed`` is the legal name on record.

    Case, accents, spaces and punctuation do not count; a middle name may be there, as its initial, or not; the family
    name may come first. Initials for a first or last name are refused, and so is any other name.
    """
    words = _squash(typed)
    middles = {"", _squash(middle), _squash(middle)[:1]}
    first, last = _squash(given), _squash(family)
    return bool(first and last) and any(words in {first + mid + last, last + first + mid} for mid in middles)


def _squash(name: str) -> str:
    """Return the letters of a name and nothing else, in one case and without accents."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN))
    return "".join(letter for letter in plain if letter.isalnum())
