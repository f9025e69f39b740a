"""Names in any script: what a document needs to draw them, and nothing that turns its text around."""

import pytest
import uharfbuzz

from app.gateways.scripts import FACES, families, legible


@pytest.mark.parametrize("text", ["Asha Traders", "Łódź – ₹ × “é”", "Ελλάδα Москва", "Nothing [x]"])
def test_latin_greek_and_cyrillic_stay_as_they_are(text):
    assert (legible(text), families(legible(text))) == (text, [])


def test_arabic_stays_in_the_order_it_is_written_and_needs_its_face():
    assert (legible("شركة"), families(legible("شركة"))) == ("شركة", ["NotoSansArabic"])


def test_the_vowel_that_stands_first_is_drawn_first_in_hindi():
    first = next(face.first for face in FACES if face.family == "NotoSansDevanagari")
    drawn = legible("कि")
    assert len(drawn) == 2
    assert legible("क") == drawn[1]
    assert {ord(each) - first >= 0 for each in drawn} == {True}
    assert families(drawn) == ["NotoSansDevanagari"]


def test_letters_that_melt_into_one_are_one_glyph():
    assert len(legible("क्ष")) == 1


def test_each_script_of_india_is_shaped_by_a_face_of_its_own():
    names = ("বাংলা", "हिन्दी", "ગુજરાતી", "ਪੰਜਾਬੀ", "ಕನ್ನಡ", "മലയാളം", "தமிழ்", "తెలుగు")
    shaped = [face.family for face in FACES if face.first]
    assert [families(legible(name)) for name in names] == [[family] for family in shaped]


def test_the_glyphs_of_no_two_faces_have_one_character():
    stretches = []
    for face in FACES:
        opened = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(face.path)))
        if face.first:
            stretches.append((face.first, face.first + opened.glyph_count))
            assert set(range(face.first + 1, face.first + opened.glyph_count)) <= set(opened.unicodes)
    assert [end for _, end in stretches[:-1]] == [start for start, _ in stretches[1:]]


def test_an_emoji_is_drawn_in_black_without_its_colours():
    assert (legible("👍🏽✈️"), families(legible("👍🏽"))) == ("👍✈", ["NotoEmoji"])


def test_what_no_face_has_is_told_by_its_code():
    assert legible("中\ue001") == "[U+4E2D][U+E001]"


def test_what_turns_the_text_around_or_has_no_shape_is_left_out():
    assert legible("paid\u202e000,1\u2066\x00\x1b\u200d") == "paid000,1"


def test_a_line_break_stays():
    assert legible("one\ntwo") == "one\ntwo"
