"""The form of a code that opens several games at random: each game's name beside its key (G2A-P46).

"Game name": "XXXX-YYYY"; "Game": "ZZZZ"      or with ` | ` and `/`, or with ` - ` and `,`
"""

# What stands between a name and its key, and between two games.
SEPARATORS = ((":", ";"), (" | ", "/"), (" - ", ","))


def problem(content: str) -> str:
    """Say what is wrong with such a code; empty when nothing is. Never quotes it."""
    if any(_is_list(content, inner, outer) for inner, outer in SEPARATORS):
        return ""
    return 'a random key needs the form “"Game": "KEY"; "Game": "KEY"”'


def _is_list(content: str, inner: str, outer: str) -> bool:
    games = [part.partition(inner) for part in content.strip().rstrip(outer).split(outer)]
    return all(name.strip(' "') and key.strip(' "') for name, _, key in games)
