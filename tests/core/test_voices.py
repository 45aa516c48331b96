"""Which voice is meant, by name or by language."""

import pytest

from voicetrio.core.voices import KnownVoice, distance, knows_voice, least_distance, near

KNOWN = (
    KnownVoice("en-us", ("en-us", "en")),
    KnownVoice("es-419", ("es-419", "es-mx")),
    KnownVoice("es", ("es",)),
    KnownVoice("cmn", ("cmn", "zh-cmn", "zh")),
    KnownVoice("nb", ("nb",)),
    KnownVoice("de_DE-thorsten-medium", ("de-de",)),
    KnownVoice("pt_PT-tugão-medium"),
)


def nearest(wanted: str) -> str | None:
    found = [(far, voice.name) for voice in KNOWN if (far := distance(wanted, voice)) is not None]
    return min(found)[1] if found else None


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("en-us", "en-us"),
        ("EN_US", "en-us"),
        ("en-US+f3", "en-us"),
        ("en", "en-us"),
        ("en-GB", "en-us"),
        ("en-Latn-US", "en-us"),
        ("es-MX", "es-419"),
        ("es-ES", "es"),
        ("es-AR", "es"),
        ("zh", "cmn"),
        ("zh-CN", "cmn"),
        ("zh-Hant-TW", "cmn"),
        ("no", "nb"),
        ("nb-NO", "nb"),
        ("de", "de_DE-thorsten-medium"),
        ("de-AT", "de_DE-thorsten-medium"),
        ("de-DE-u-co-phonebk", "de_DE-thorsten-medium"),
        ("de_de-THORSTEN-medium", "de_DE-thorsten-medium"),
        ("pt", "pt_PT-tugão-medium"),
        ("pt-BR", "pt_PT-tugão-medium"),
        ("fr", None),
        ("us", None),
        ("", None),
        ("de_DE-karlsson-low", None),
        ("thorsten", None),
        ("deutsch", None),
    ],
)
def test_a_voice_is_found_by_its_name_or_by_the_nearest_language(wanted, name):
    assert nearest(wanted) == name
    assert knows_voice(wanted, KNOWN) == (name is not None)


def test_a_name_is_nearer_than_a_language_and_a_region_nearer_than_another():
    american, british = (KnownVoice("a", ("en-us",)),), (KnownVoice("b", ("en-gb",)),)
    assert least_distance("b", british) == 0
    assert least_distance("en-GB", british) < least_distance("en-GB", american)
    assert least_distance("fr", british) is None


def test_who_asks_for_what_there_is_not_is_told_what_is_alike():
    names = [f"{language}-{region}" for language in ("en", "de", "fr", "pt") for region in ("aa", "bb", "cc", "dd")]
    assert near("fr-zz", names).startswith("fr-")
    assert near("pt-bbb", names).split(", ")[0] == "pt-bb"
    assert near("xx", names).endswith(", and 10 more")
    assert near("x" * 100_000, ["tone"]) == "tone"
