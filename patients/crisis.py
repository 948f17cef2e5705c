"""Words in free text that may mean somebody is in danger. Pure; text in, yes or no out.

It errs on the side of asking: "I was suicidal ten years ago" is found too, and a person decides (domain.md 6.5, 7). It
is no assessment: a text in which nothing is found says nothing about how somebody is.
"""

import re
import unicodedata

_ME = r"(?:myself|my ?self)"
_LIFE = r"(?:my (?:own )?life|it all|everything)"
_NOT = r"(?:do not|don'?t|no longer|not|never)"
_WORDS = re.compile(
    r"\b(?:"
    r"suicid\w*|self[ -]?harm\w*|unalive\w*|kms|overdos\w*"
    rf"|(?:kill|hang|shoot|drown|hurt|harm|cut|poison|starv)(?:e|ing|ting)? {_ME}"
    rf"|(?:end|ending|take|taking) {_LIFE}|end it\b"
    r"|(?:want|wants|wanted|wanting|wish|ready|going|plan|planning|like|rather|trying|need) to (?:just )?(?:die|be dead)"
    r"|(?:want|wish) (?:that )?i (?:was|were) (?:dead|never born|not here)|(?:better|be) off dead|better off without me"
    rf"|{_NOT} (?:really |even )?want(?:s|ed|ing)? to (?:live|be here|be alive|exist|wake up|go on)"
    r"|(?:can(?:no|')?t|cannot|can not|couldn'?t) (?:go on|do this any ?more|take (?:it|this) any ?more|live (?:like this|any ?more)|keep (?:myself )?safe"
    r"|stay safe)"
    r"|(?:no|any|without a) (?:reason|point) (?:to|in|for) (?:live|living|go on|going on)|nothing to live for"
    r"|not worth living|life is not worth|die (?:tonight|today|soon)|(?:goodbye|farewell) (?:note|letter)"
    r"|suicidarme|matarme|quiero morir\w*|no quiero (?:vivir|seguir viviendo)|quitarme la vida|hacerme dano"
    r")\b"
)


def may_mean_danger(text: str) -> bool:
    """Return whether a text holds words by which people say that they may not stay safe, in English or Spanish."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'").replace("‘", "'"))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return _WORDS.search(" ".join(kept.split())) is not None
