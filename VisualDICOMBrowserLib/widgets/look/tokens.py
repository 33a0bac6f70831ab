"""The colours of each look, by what they mean. Standard library only.

Text on its ground has a contrast of at least 4.6:1, edges of fields at least 3.1:1 (WCAG 2.1, 1.4.3 and 1.4.11).
"""

from __future__ import annotations

__all__ = ["CONTRAST", "DARK", "LIGHT", "LOOKS"]

LIGHT = {
    "window": "#F2F4F6",
    "base": "#FFFFFF",
    "bar": "#E9ECF0",
    "button": "#FFFFFF",
    "card": "#F7F8FA",
    "track": "#DADFE5",
    "text": "#1B2027",
    "mid": "#56606B",
    "border": "#CBD2DA",
    "edge": "#89929C",
    "off": "#89929C",
    "accent": "#1763B0",
    "accenthover": "#12528F",
    "accentpressed": "#0E4275",
    "onaccent": "#FFFFFF",
    "selection": "#D7E6F7",
    "hover": "#E9F1FA",
    "ok": "#14703A",
    "okground": "#DDF3E4",
    "warn": "#8A5A00",
    "warnground": "#FCEFD9",
    "error": "#B92525",
    "errorground": "#FAE3E1",
    "new": "#7336BD",
    "newground": "#EFE4FB",
    "askground": "#E2EDFA",
}

DARK = {
    "window": "#26292E",
    "base": "#1B1E22",
    "bar": "#2D3137",
    "button": "#31363D",
    "card": "#212529",
    "track": "#3A4048",
    "text": "#E7EAEE",
    "mid": "#AAB3BD",
    "border": "#444B54",
    "edge": "#78828D",
    "off": "#78828D",
    "accent": "#62AAF0",
    "accenthover": "#83BDF5",
    "accentpressed": "#A3CEF8",
    "onaccent": "#10151B",
    "selection": "#1D3956",
    "hover": "#25333F",
    "ok": "#5FCB8C",
    "okground": "#1D3829",
    "warn": "#E8B85A",
    "warnground": "#40331A",
    "error": "#F48A82",
    "errorground": "#4A2523",
    "new": "#BE94F3",
    "newground": "#372A4A",
    "askground": "#20364D",
}

CONTRAST = {
    **DARK,
    "window": "#000000",
    "base": "#000000",
    "bar": "#0A0A0A",
    "button": "#000000",
    "card": "#0A0A0A",
    "track": "#4A4A4A",
    "text": "#FFFFFF",
    "mid": "#E0E0E0",
    "border": "#FFFFFF",
    "edge": "#FFFFFF",
    "off": "#8C8C8C",
    "accent": "#66D9FF",
    "accenthover": "#99E6FF",
    "accentpressed": "#CCF2FF",
    "onaccent": "#000000",
    "selection": "#00395C",
    "hover": "#1A1A1A",
    "ok": "#66FF99",
    "warn": "#FFD54A",
    "error": "#FF9A90",
    "new": "#D8B4FF",
}

LOOKS = {"light": LIGHT, "dark": DARK, "contrast": CONTRAST}
