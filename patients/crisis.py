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
    r"(?:suic|suis|suac|sucu?)[ie]*d\w*|self[ -]?harm\w*|unalive\w*|kms|overdos\w*|od'?(?:d|ed|ing)"
    rf"|(?:(?:kill|hang|shoot|drown|hurt|harm|cut|poison|starv)(?:e|ed|ing|ting)?|hung|shot) {_ME}"
    r"|(?:slit|slitting|cut|cutting) my (?:wrists?|throat)|jump(?:ed|ing)? (?:off|from|out of|in front of) (?:a|the) "
    r"(?:bridge|building|roof|balcony|cliff|window|train)"
    r"|(?:took|swallowed|(?:to|could|will) (?:take|swallow)) (?:all|too many|(?:a|the) (?:whole )?(?:lot|bunch|handful|bottle))(?: of)?"
    r"(?: my| the| these)? ?(?:pills|tablets|meds|medication)"
    rf"|(?:end|ending|take|taking|took) {_LIFE}|end(?:ing)? it\b|end(?:ing)? things(?! with)"
    r"|want (?:it|this|everything|it all|all of it) to (?:end|be over)"
    r"|(?:want|wants|wanted|wanting|wish|ready|going|plan|planning|like|rather|trying|need) (?:to|2) (?:just )?(?:die|be dead|disappear)"
    r"|(?:want|wish) (?:that )?i (?:was|were|could) (?:dead|never born|not (?:here|alive)|disappear)"
    r"|wish (?:that )?i (?:wasn'?t|weren'?t) (?:here|alive|around|born)"
    r"|(?:better|be) off dead|rather be dead|better off (?:without me|if i (?:was|were|am|wasn'?t|weren'?t|died?))"
    r"|(?:hope|hoping|wish|pray|want|like|love)\b[^.!?]{0,40} (?:never|not|don'?t|didn'?t|won'?t|wouldn'?t) wake up"
    rf"|{_NOT} (?:really |even )?want(?:s|ed|ing)? to (?:live|be here|be alive|exist|wake up|go on)"
    r"|(?:can(?:no|')?t|cannot|can not|couldn'?t) (?:go on|do this any ?more|take (?:it|this) any ?more|live (?:like this|any ?more)|keep (?:myself )?safe"
    r"|stay safe|keep living|keep going(?! to))"
    r"|(?:no|any|without a) (?:reason|point) (?:to|in|for) (?:live|living|be here|being here|be alive|go on|going on)|nothing to live for"
    r"|(?:not|isn'?t) worth living|life(?: is|'?s)? (?:not|isn'?t) worth|(?:see|seeing|there(?: is|'?s)) no way out"
    r"|(?:thinking|thoughts?|think) (?:of|about) (?:death|dying|ending|killing)|danger to myself|safe (?:with|from|around) myself"
    r"|die (?:tonight|today|soon)|(?:goodbye|farewell) (?:note|letter)"
    r"|suicidarme|matarme|quiero morir\w*|no quiero (?:vivir|seguir viviendo)|quitarme la vida|hacerme dano"
    r"|acabar con (?:mi vida|todo)|mejor muert[oa]|no (?:puedo|aguanto) mas"
    r")\b"
)
# How people write what they say.
_SAID = re.compile(r"\b(wanna|gonna)\b")
_MEANT = {"wanna": "want to", "gonna": "going to"}


def may_mean_danger(text: str) -> bool:
    """Return whether a text holds words by which people say that they may not stay safe, in English or Spanish."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'").replace("‘", "'"))
    kept = plain if plain.isascii() else "".join(c for c in plain if not unicodedata.combining(c))
    meant = _SAID.sub(lambda found: _MEANT[found[0]], " ".join(kept.split()))
    return _WORDS.search(meant) is not None
