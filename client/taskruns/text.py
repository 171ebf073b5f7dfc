"""Text that came from elsewhere, made safe to show on a terminal."""


def printable(text: str) -> str:
    """The text with what is not printable escaped: control characters, line ends, marks that turn its direction."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
