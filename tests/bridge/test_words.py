"""Hints of the shell in the words of macros."""

from __future__ import annotations

import pytest

from fijibridge.bridge._words import in_macro_words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Say --overwrite to make it again.", "Say overwrite to make it again."),
        ("Say --no-settings.", "Say no_settings."),
        ("or say overwrite (--overwrite) to replace it.", "or say overwrite to replace it."),
        ("axes='zyx' (--axes zyx).", "axes=zyx."),
        ("say --role labels (role='labels').", "say role=labels."),
        ("Add --image IMAGE (image=…), or ask", "Add image=IMAGE, or ask"),
        ("Add --like IMAGE or --shape H,W.", "Add like=IMAGE or shape=H,W."),
        ("--stack takes all, --slice N another one", "stack takes all, slice=N another one"),
        ("Leave --output out.", "Leave output out."),
        ("Leave out one of --threshold and --role labels.",
         "Leave out one of threshold and role=labels."),
        ("Use --each to take every match", "Use each to take every match"),
        ("Choose a larger --export_dtype, or", "Choose a larger export_dtype, or"),
        ('Say --export_drange "(0,255)" too (as --compat ilastik does).',
         "Say export_drange=(0,255) too (as compat=ilastik does)."),
        ("say --output_format 'multi-scale OME-Zarr'.",
         "say output_format=[multi-scale OME-Zarr]."),
        ("Name the place: --store STORE --region z=…,y=…,x=…",
         "Name the place: store=STORE region=z=…,y=…,x=…"),
        ("convert_dtype (--convert-dtype): ", "convert_dtype: "),
        ("Add --show with one of: Masks.", "Add show with one of: Masks."),
        ("Type: fijibridge measure a.tif --image I, or fijibridge run x.json",
         'Type: run("FijiBridge Measure...", "objects=a.tif image=I");, or fijibridge run x.json'),
        ("Type: fijibridge doctor", 'Type: run("FijiBridge Doctor");'),
        ("Type: fijibridge patch checkin FILE --store S",
         'Type: run("FijiBridge Patch Checkin...", "file=FILE store=S");'),
    ],
)  # fmt: skip
def test_hints(text, wanted):
    assert in_macro_words(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "size is 'x'; allowed is LOW-HIGH.",
        "wrote /a--b/--c.tif",
        "run_ilastik.sh --headless",
        'Type: fijibridge fiji install "/opt/Fiji.app"',
        "Type: fijibridge patch recover a.zarr --force",
        "wrote /home/fijibridge measure/a.tif",
        "There is no file 'fijibridge it's.tif'.",
        "",
    ],
)
def test_what_is_no_key_stays(text):
    assert in_macro_words(text) == text
