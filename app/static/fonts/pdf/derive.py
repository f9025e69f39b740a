"""How the Noto files beside this one were made, with fontTools 4: `python derive.py FOLDER`.

FOLDER holds NotoSans*-Regular.ttf of Debian's fonts-noto-core 20201225 and NotoEmoji-Regular.ttf of Google Fonts.
Latin and hints are left out. In the scripts of India every glyph gets a character of the private plane 15, each
face its own stretch of it (`FACES` in app/gateways/scripts.py), so that what HarfBuzz shaped can be drawn glyph by
glyph.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable

SHAPED = "Bengali Devanagari Gujarati Gurmukhi Kannada Malayalam Tamil Telugu".split()
FIRST = 0xF0000
HERE = Path(__file__).parent


def derive(source: Path, first: int | None) -> int:
    """Write the font that is kept of `source`; with `first` its glyphs get characters from there on. Return
    how many glyphs it has."""
    font = TTFont(source)
    options = subset.Options(hinting=False, notdef_outline=True, name_IDs=["*"])
    options.drop_tables += ["DSIG"]
    options.layout_features = [] if first is None else ["*"]
    kept = {
        code
        for code in font.getBestCmap()
        if code > 0x2FF
        and code not in {0x20B9, 0xFE0F}
        and not (0x2000 <= code <= 0x206F and code not in {0x200C, 0x200D})
        and code < 0xE0000
    }
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=kept | {0x20})
    cutter.subset(font)
    glyphs = font.getGlyphOrder()
    if first is not None:
        named = {**font.getBestCmap(), **{first + n: name for n, name in enumerate(glyphs)}}
        table = CmapSubtable.newSubtable(12)
        table.platformID, table.platEncID, table.language, table.cmap = 3, 10, 0, named
        table.format, table.reserved, table.length, table.nGroups = 12, 0, 0, 0
        font["cmap"].tables = [one for one in font["cmap"].tables if one.format != 12] + [table]
    font.save(HERE / source.name)
    return len(glyphs)


if __name__ == "__main__":
    folder, at = Path(sys.argv[1]), FIRST
    for name in SHAPED:
        at += derive(folder / f"NotoSans{name}-Regular.ttf", at)
    derive(folder / "NotoSansArabic-Regular.ttf", None)
    derive(folder / "NotoEmoji-Regular.ttf", None)
