"""The verbs as SciJava modules, in the real scijava-common: the ``ij.module()`` of a Fiji."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import fijibridge as fb
from bridge import verb_lines
from fijibridge.bridge import commands
from fijibridge.bridge.gateway import start_fiji
from fijibridge.errors import SettingsError
from fijibridge.ops import from_keys
from fijibridge.ops._kinds import FLAG
from fijibridge.ops._settings import declared

pytestmark = pytest.mark.imagej


@pytest.fixture(scope="module")
def fiji(imagej):
    """Return the gateway over a running ij: SciJava's services, as a Fiji has them."""
    context = imagej.java("org.scijava.Context")(False)
    service = context.service(imagej.java("org.scijava.module.ModuleService").class_)
    ij = SimpleNamespace(context=lambda: context, module=lambda: service)
    yield start_fiji(ij)
    context.dispose()


def modules(fiji):
    return {str(info.getName()): info for info in fiji.ij.module().getModules()}


def run(fiji, verb, **inputs):
    values = fiji.imagej.java("java.util.HashMap")()
    for name, value in inputs.items():
        boxed = fiji.imagej.java("java.lang.Boolean")(value) if isinstance(value, bool) else value
        values.put(name, boxed)
    done = fiji.ij.module().run(modules(fiji)[f"fijibridge:{verb}"], True, values).get()
    report = json.loads(str(done.getOutput("report")))
    return bool(done.getOutput("ok")), str(done.getOutput("message")), report


def test_every_verb_is_a_module_with_its_settings(fiji):
    assert fiji.host == "fiji"
    found = modules(fiji)
    for label, verb in commands.commands().items():
        info = found[f"fijibridge:{verb.name}"]
        assert str(info.getLabel()) == label
        assert [str(part) for part in info.getMenuPath()] == ["Plugins", "FijiBridge", label]
        assert info.canRunHeadless()
        assert str(info.getIdentifier()) == f"fijibridge:{verb.name}"
        inputs = {str(item.getName()): item for item in info.inputs()}
        for item in declared(verb.settings):
            assert not inputs[item.name].isRequired()
            assert not inputs[item.name].isPersisted()
            kind = "java.lang.Boolean" if item.kind is FLAG else "java.lang.String"
            assert str(inputs[item.name].getType().getName()) == kind
            choices = inputs[item.name].getChoices()
            if item.choices:
                assert [str(choice) for choice in choices] == ["", *item.choices]
    count = len(found)
    start_fiji(fiji.ij)  # again: nothing is added
    assert len(modules(fiji)) == count


def test_a_module_gives_what_python_gives(fiji, tmp_path):
    rng = np.random.default_rng(0)
    data = np.kron(rng.random((8, 9)) < 0.3, np.full((7, 7), 255)).astype(np.uint8)
    fb.write_image(fb.Image.from_array(data, "yx"), tmp_path / "a b.tif")
    wanted = fb.run_verb("particles", input=tmp_path / "a b.tif", outdir=tmp_path / "p",
                         size="60-Infinity", exclude=True)  # fmt: skip
    ok, message, report = run(fiji, "particles", input=f"{tmp_path}/a b.tif", size="60-Infinity",
                              outdir=f"{tmp_path}/m", exclude=True)  # fmt: skip
    assert ok, message
    assert report["count"] == wanted.to_json()["count"]
    for name in ("a b_Results.tsv", "a b_labels.tif"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "p" / name).read_bytes()


def test_every_verb_runs_as_a_module(fiji, tmp_path):
    inputs = verb_lines.write_inputs(tmp_path)
    for verb, line in verb_lines.lines(inputs, tmp_path / "python"):
        from_keys(verb, line)
    for verb, line in verb_lines.lines(inputs, tmp_path / "module"):
        ok, message, _ = run(fiji, verb, **verb_lines.module_inputs(verb, line))
        assert ok, (verb, message)
    verb_lines.same_files(tmp_path / "python", tmp_path / "module")


def test_errors_are_outputs(fiji):
    ok, message, report = run(fiji, "particles", input="/no/such.tif")
    assert not ok
    assert "There is no file" in message
    assert report["error"]["type"] == "FormatError"
    ok, message, _ = run(fiji, "convert", input="/no/such.tif", overlap="lost")
    assert not ok
    assert "Did you mean 'last'" in message


def test_run_command(fiji, tmp_path):
    outcome = fiji.run_command("FijiBridge Particles...", sise=3)
    assert (outcome.ok, outcome.status) == (False, "error")
    assert "Did you mean 'size'" in outcome.message
    fb.write_image(fb.Image.from_array(np.eye(9, dtype=np.uint8) * 255, "yx"), tmp_path / "i.tif")
    outcome = fiji.run_command("particles", input=tmp_path / "i.tif", outdir=tmp_path / "o")
    assert outcome.ok
    assert outcome.report["count"] == 1
    with pytest.raises(SettingsError, match="is no imgplus"):
        fiji.to_imagej(3, kind="imgplus")
    embedded = start_fiji()
    with pytest.raises(SettingsError, match="come with Fiji"):
        embedded.to_imagej(fb.Image.from_array(np.eye(3), "yx"), kind="dataset")
