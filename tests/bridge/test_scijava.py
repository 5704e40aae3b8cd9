"""The Jython commands in the real scijava-common: found, parsed and run as a Fiji does it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import fijibridge as fb
from bridge import verb_lines
from fijibridge.bridge._door import java_class
from fijibridge.bridge.convert import to_imageplus
from fijibridge.bridge.install import install
from fijibridge.bridge.shims import commands
from fijibridge.model import Axes, Image
from fijibridge.ops import from_keys

pytestmark = pytest.mark.imagej
PACKAGE = "org.scijava.script"


@pytest.fixture(scope="module")
def fiji(imagej, tmp_path_factory):
    """Return what of a Fiji there is here: its services, its Jython, a folder with our commands."""
    home = tmp_path_factory.mktemp("scijava") / "Fiji.app"
    for name in ("jars", "plugins"):
        (home / name).mkdir(parents=True)
    install(home)
    java = imagej.java
    # as scripting-jython does it: Jython's own javax.script engine behind SciJava's interface
    language = f"{PACKAGE}.JythonOfTests"
    java_class(
        language,
        f"{PACKAGE}.AdaptedScriptLanguage",
        'public JythonOfTests() { super("jython"); }',
        "public Object decode(Object o) {"
        " return o instanceof org.python.core.PyObject ?"
        " ((org.python.core.PyObject) o).__tojava__(Object.class) : o; }",
    )
    context = java("org.scijava.Context")(False)

    def service(name):
        return context.service(java(name).class_)

    plugin = java("org.scijava.plugin.PluginInfo")(
        language, java(f"{PACKAGE}.ScriptLanguage").class_
    )
    plugin.setName("Python (Jython)")
    service("org.scijava.plugin.PluginService").addPlugin(plugin)
    scripts = service(f"{PACKAGE}.ScriptService")
    scripts.addScriptDirectory(java("java.io.File")(str(home / "scripts")))
    if java("ij.Menus").getCommands() is None:  # a headless ImageJ looks for its folders late
        imagej.IJ.runPlugIn("ij.IJ.init", "")
    macros = java("ij.Menus").class_.getDeclaredField("macrosPath")
    macros.setAccessible(True)
    before = macros.get(None)
    macros.set(None, f"{home}/macros/")
    yield SimpleNamespace(
        java=java, context=context, scripts=scripts, home=home,
        modules=service("org.scijava.module.ModuleService"),
    )  # fmt: skip
    imagej.IJ.getProperty("fijibridge.worker").get("process").destroy()
    imagej.IJ.setProperty("fijibridge.worker", None)
    macros.set(None, before)
    context.dispose()


def found(fiji):
    """Return label -> what SciJava found in scripts/."""
    infos = {str(info.getMenuPath().getLeaf()): info for info in fiji.scripts.getScripts()}
    return {label: info for label, info in infos.items() if label.startswith("FijiBridge")}


def run(fiji, label, options):
    """Run a command as ImageJ's run(label, options) does: SciJava takes a thread of its own."""
    macro, thread = fiji.java("ij.Macro"), fiji.java("java.lang.Thread").currentThread()
    name = thread.getName()
    thread.setName("Run$_ of a test")
    macro.setOptions(options)
    try:
        inputs = fiji.java("java.util.HashMap")()
        return fiji.modules.run(found(fiji)[label], True, inputs).get()
    finally:
        macro.setOptions(None)
        thread.setName(name)


def test_every_command_is_found_under_its_label(fiji):
    infos = found(fiji)
    assert set(infos) == {verb.menu for verb in commands()}
    for label, info in infos.items():
        assert [str(part) for part in info.getMenuPath()] == ["Plugins", "FijiBridge", label]
        assert "_" in str(info.getPath()).rpartition("/")[2]


def test_no_input_makes_fiji_ask(fiji):
    """Fiji asks for each input that a macro does not give, whatever it is marked as."""
    for label, info in found(fiji).items():
        inputs = [str(item.getType().getName()) for item in info.inputs()]
        assert inputs == ["org.scijava.Context"], label
        assert all(not item.isRequired() for item in info.inputs())
        assert {str(item.getName()) for item in info.outputs()} == {"ok", "message"}
        assert info.canRunHeadless()
        assert str(info.getLanguage().getLanguageName()) == "Python (Jython)"


def test_every_verb_does_what_it_does_in_python(fiji, tmp_path):
    inputs = verb_lines.write_inputs(tmp_path)
    labels = {verb.name: verb.menu for verb in commands()}
    for verb, line in verb_lines.lines(inputs, tmp_path / "python"):
        from_keys(verb, line)
    for verb, line in verb_lines.lines(inputs, tmp_path / "scijava"):
        done = run(fiji, labels[verb], line)
        assert bool(done.getOutput("ok")), str(done.getOutput("message"))
        assert str(done.getOutput("message")).strip()
    assert len(verb_lines.same_files(tmp_path / "python", tmp_path / "scijava")) >= 9


def test_a_wrong_key_is_an_answer(fiji):
    done = run(fiji, "FijiBridge Particles...", "sise=3")
    assert not bool(done.getOutput("ok"))
    assert "Did you mean 'size'" in str(done.getOutput("message"))
    system = fiji.java("java.lang.System")
    assert str(system.getProperty("fijibridge.status")) == "error"


def test_the_image_that_the_caller_named_is_taken(fiji, imagej):
    """IJ.run(image, command, options) names an image for its own thread only."""
    pixels = np.zeros((40, 50), np.uint8)
    pixels[5:15, 5:15] = pixels[20:30, 30:40] = 255
    plus = to_imageplus(Image.from_array(pixels, Axes.of("yx", pixels.shape), name="mine"))
    imagej.run_macro('run("Clear Results");')
    windows = imagej.java("ij.WindowManager")
    windows.setTempCurrentImage(plus)
    try:
        done = run(fiji, "FijiBridge Particles...", "size=1-Infinity")
    finally:
        windows.setTempCurrentImage(None)
    assert bool(done.getOutput("ok")), str(done.getOutput("message"))
    assert int(imagej.java("ij.measure.ResultsTable").getResultsTable().size()) == 2
    imagej.run_macro('run("Clear Results"); close("*");')


def test_an_image_is_handed_over_with_its_properties(fiji, imagej, tmp_path):
    plus = to_imageplus(Image.from_array(np.zeros((4, 5), np.uint8), "yx", name="mine"))
    plus.setProp("Key", "a: value")
    interpreter = imagej.java("org.python.util.PythonInterpreter")()
    interpreter.set("imp", plus)
    interpreter.set("folder", imagej.java("java.io.File")(str(tmp_path)))
    interpreter.set("shared", str(fiji.home / "macros" / "FijiBridge"))
    code = "import sys; sys.path.insert(0, shared); import fijibridge_call as f\n"
    interpreter.exec_(code + "f._save_image(imp, folder)")
    interpreter.close()
    assert fb.read_image(tmp_path / "image.tif").spec.extra.properties["Key"] == "a: value"
