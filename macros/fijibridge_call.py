"""What every FijiBridge command of Fiji calls (Jython 2.7; there is no Python in this JVM).

    from fijibridge_call import call
    answer = call("particles", "input=[a b.tif] size=[20-Infinity]")
    print(answer["ok"], answer["message"])

One Python process serves a whole Fiji session: it is started on first use, takes JSON lines on its
stdin, and ends when Fiji ends or nobody has called for a while. No port, no shell. Where no process
may stay (or the Java property fijibridge.worker is "off") every call starts its own.
The outcome of the last call is also in two Java properties that every macro can read:
call("java.lang.System.getProperty", "fijibridge.status") is "ok" or "error", and
"fijibridge.message" is the message.
"""

import json

import synchronize
from ij import IJ, ImagePlus, WindowManager
from ij.io import FileSaver, RoiDecoder, RoiEncoder
from java.awt import GraphicsEnvironment
from java.io import BufferedReader, ByteArrayOutputStream, File, FileInputStream, FileOutputStream
from java.io import InputStreamReader, OutputStreamWriter
from java.lang import ProcessBuilder, Runnable, Runtime, String, System, Thread, Throwable
from java.nio.file import Files
from java.nio.file.attribute import FileAttribute
from java.util import HashMap, UUID
from java.util.concurrent import ConcurrentHashMap, ConcurrentLinkedQueue, CountDownLatch
from java.util.concurrent import LinkedBlockingQueue
from java.util.zip import ZipEntry, ZipInputStream, ZipOutputStream
import jarray

_STATE = "fijibridge.worker"
_COMMAND = ["-P", "-X", "utf8", "-m", "fijibridge.bridge.worker"]
_MISSING = (
    u"FijiBridge does not find its Python. Type in a terminal:"
    u"  python -m fijibridge fiji install \"%s\""
)

_ENDED = (
    u"FijiBridge's Python ended while it worked. Just try again; "
    u"if it happens again, type: \"%s\" -m fijibridge doctor  %s"
)


def _read(path):
    stream = FileInputStream(path)
    try:
        out = ByteArrayOutputStream()
        part = jarray.zeros(8192, "b")
        n = stream.read(part)
        while n > 0:
            out.write(part, 0, n)
            n = stream.read(part)
        return out.toByteArray()
    finally:
        stream.close()


def _app():
    return IJ.getDirectory("imagej") or System.getProperty("imagej.dir") or "Fiji.app"


def _python():
    """The Python that `fijibridge fiji install` wrote down, or None."""
    named = System.getProperty("fijibridge.python")
    if named:
        return named
    for folder in (IJ.getDirectory("macros"), File(_app(), "macros").getPath()):
        if folder:
            note = File(File(folder, "FijiBridge"), "python.txt")
            if note.isFile():
                return String(_read(note.getPath()), "UTF-8").split(u"\n")[0].strip()
    return None


class _Lines(Runnable):
    """Hands the lines of a stream to a function, then says that there are no more."""

    def __init__(self, stream, take, end):
        self.stream, self.take, self.end = stream, take, end

    def run(self):
        reader = BufferedReader(InputStreamReader(self.stream, "UTF-8"))
        try:
            line = reader.readLine()
            while line is not None:
                self.take(line)
                line = reader.readLine()
        except (Exception, Throwable):
            pass
        finally:
            self.end()
            try:
                reader.close()
            except (Exception, Throwable):
                pass


def _daemon(runnable, name):
    thread = Thread(runnable, name)
    thread.setDaemon(True)
    thread.start()


def _start(python):
    process = ProcessBuilder([python] + _COMMAND).start()
    waiting = ConcurrentHashMap()
    said = ConcurrentLinkedQueue()
    state = HashMap()

    def take(line):
        head = line[:200]
        try:
            answer = json.loads(line)
        except ValueError:
            said.add(head)
            return
        box = waiting.get(answer.get("task"))
        if box is not None:
            box.put(line)

    def gone():
        state.put("dead", True)
        for box in waiting.values():
            box.put("")

    def keep(line):
        said.add(line)
        while said.size() > 20:
            said.poll()

    state.put("process", process)
    state.put("writer", OutputStreamWriter(process.getOutputStream(), "US-ASCII"))
    state.put("waiting", waiting)
    state.put("said", said)
    state.put("python", python)
    _daemon(_Lines(process.getInputStream(), take, gone), "FijiBridge answers")
    _daemon(_Lines(process.getErrorStream(), keep, lambda: None), "FijiBridge log")
    return state


def _ready(python):
    """The running worker; a new one when there is none."""
    state = IJ.getProperty(_STATE)
    if state is None or state.get("dead") or not state.get("process").isAlive():
        state = _start(python)
        IJ.setProperty(_STATE, state)
    return state


def _send(state, line):
    writer = state.get("writer")
    writer.write(line)
    writer.flush()


def _locked(function, *arguments):
    # one object that every interpreter of this JVM sees
    return synchronize.apply_synchronized(Runtime.getRuntime(), function, arguments)


def _ask(inputs):
    """One request to the worker, and what it answered; raises IOError when it cannot."""
    python = _python()
    if python is None:
        raise IOError(_MISSING % _app())
    if System.getProperty("fijibridge.worker") == "off":
        return _once(python, inputs)
    for attempt in (1, 2):
        try:
            state = _locked(_ready, python)
        except (Exception, Throwable) as error:  # java.io.IOException: no such program
            raise IOError(_MISSING % _app() + u"  (%s)" % _text(error))
        task = UUID.randomUUID().toString()
        box = LinkedBlockingQueue()
        state.get("waiting").put(task, box)
        begun = False
        try:
            request = {"task": task, "requestType": "EXECUTE", "script": "fijibridge",
                       "inputs": inputs}
            try:
                _locked(_send, state, json.dumps(request) + "\n")
            except (Exception, Throwable):
                state.put("dead", True)
                box.put("")
            if state.get("dead"):
                box.put("")
            while True:
                line = box.take()
                if not line:
                    break
                answer = json.loads(line)
                kind = answer.get("responseType")
                if kind == "LAUNCH":
                    begun = True
                elif kind == "COMPLETION":
                    return answer["outputs"]
                elif kind == "FAILURE":
                    raise IOError(answer.get("error"))
        finally:
            state.get("waiting").remove(task)
        # a worker that had ended, of old age, before it began may be asked again elsewhere
        if begun:
            raise IOError(_ENDED % (python, _last_words(state.get("said"))))
    return _once(python, inputs)


def _last_words(said):
    return u" ".join([_text(line) for line in said])[-400:]


def _once(python, inputs):
    """One request to a process of its own, where no worker can stay."""
    # hexadecimal digits: nothing quotes them, on no system
    word = "".join(["%02x" % ord(c) for c in json.dumps(inputs)])
    try:
        process = ProcessBuilder([python] + _COMMAND + ["--request", word]).start()
    except (Exception, Throwable) as error:
        raise IOError(_MISSING % _app() + u"  (%s)" % _text(error))
    process.getOutputStream().close()
    said, lines, end = ConcurrentLinkedQueue(), ConcurrentLinkedQueue(), CountDownLatch(2)
    _daemon(_Lines(process.getInputStream(), lines.add, end.countDown), "FijiBridge answer")
    _daemon(_Lines(process.getErrorStream(), said.add, end.countDown), "FijiBridge log")
    end.await()
    process.waitFor()
    try:
        return json.loads(list(lines)[-1])
    except (IndexError, ValueError):
        raise IOError(_ENDED % (python, _last_words(said)))


def _text(value):
    try:
        return unicode(value)
    except (Exception, Throwable):
        return repr(value)


# ---- what the host hands over


def _temporary():
    return Files.createTempDirectory("fijibridge-", jarray.array([], FileAttribute)).toFile()


def _remove(folder):
    if folder is not None:
        for entry in folder.listFiles() or ():
            entry.delete()
        folder.delete()


def _save_image(imp, folder):
    path = File(folder, "image.tif").getPath()
    # a second ImagePlus on the same pixels: saving renames what it saves
    twin = ImagePlus(imp.getTitle(), imp.getStack())
    twin.setDimensions(imp.getNChannels(), imp.getNSlices(), imp.getNFrames())
    twin.setOpenAsHyperStack(imp.isHyperStack())
    twin.setCalibration(imp.getCalibration())
    twin.setDisplayRange(imp.getDisplayRangeMin(), imp.getDisplayRangeMax())
    if imp.getOverlay() is not None:
        twin.setOverlay(imp.getOverlay())
    info = imp.getInfoProperty()
    if info is not None:
        twin.setProperty("Info", info)
    if imp.getPropertiesAsArray() is not None:
        twin.setProperties(imp.getPropertiesAsArray())
    if imp.isComposite():
        from ij import CompositeImage

        twin = CompositeImage(twin, imp.getCompositeMode())
        twin.copyLuts(imp)
    saver = FileSaver(twin)
    saved = saver.saveAsTiffStack(path) if twin.getStackSize() > 1 else saver.saveAsTiff(path)
    return path if saved else None


def _save_rois(folder, imp):
    rois = []
    if not GraphicsEnvironment.isHeadless():
        from ij.plugin.frame import RoiManager

        manager = RoiManager.getInstance2()
        rois = list(manager.getRoisAsArray()) if manager is not None else []
    if not rois and imp is not None and imp.getOverlay() is not None:
        rois = list(imp.getOverlay().toArray())
    if not rois and imp is not None and imp.getRoi() is not None:
        rois = [imp.getRoi()]
    if not rois:
        return None
    path = File(folder, "rois.zip").getPath()
    archive = ZipOutputStream(FileOutputStream(path))
    names = set()
    try:
        for n, roi in enumerate(rois):
            name = roi.getName() or "%04d" % (n + 1)
            while name in names:
                name += "-1"
            names.add(name)
            archive.putNextEntry(ZipEntry(name + ".roi"))
            archive.write(RoiEncoder.saveAsByteArray(roi))
            archive.closeEntry()
    finally:
        archive.close()
    return path


def _save_results(folder):
    from ij.measure import ResultsTable

    table = ResultsTable.getResultsTable()
    if table is None or table.size() == 0:
        return None
    path = File(folder, "results.tsv").getPath()
    table.saveAs(path)
    return path


def _around(imp, folder):
    """What of the image is small: its name, folder, threshold and selection."""
    given = {"title": imp.getTitle()}
    info = imp.getOriginalFileInfo()
    if info is not None and info.directory:
        given["directory"] = info.directory
    processor = imp.getProcessor()
    low = processor.getMinThreshold() if processor is not None else -808080.0
    if low != -808080.0:
        given["threshold"] = "%r,%r" % (low, processor.getMaxThreshold())
    roi = imp.getRoi()
    if roi is not None:
        path = File(folder, "selection.roi").getPath()
        RoiEncoder(path).write(roi)
        given["selection"] = path
    return given


# ---- what it shows


def _show_image(path, title):
    imp = IJ.openImage(path)
    imp.setTitle(title)
    info = imp.getOriginalFileInfo()
    if info is not None:  # the temporary file is nobody's business
        info.directory, info.fileName = None, title
    imp.changes = True
    if GraphicsEnvironment.isHeadless():
        try:
            imp.show()
        except (Exception, Throwable):
            from ij.macro import Interpreter

            Interpreter.addBatchModeImage(imp)
    else:
        imp.show()
    return imp


def _show_table(path, title):
    from ij.measure import ResultsTable
    from ij.plugin.filter import Analyzer

    table = ResultsTable.open(path)
    if title != "Results":
        table.show(title)
        return table
    there = ResultsTable.getResultsTable()
    if there is None or there.size() == 0:
        Analyzer.setResultsTable(table)
        table.show("Results")
        return table
    for row in range(table.size()):  # rows are added, none are lost
        there.incrementCounter()
        for heading in table.getHeadings():
            value = table.getValue(heading, row)
            if value != value and table.getStringValue(heading, row) != "NaN":
                there.addValue(heading, table.getStringValue(heading, row))
            elif heading == "Label":
                there.addLabel(table.getStringValue(heading, row))
            else:
                there.addValue(heading, value)
    there.show("Results")
    return there


def _show_rois(path, imp):
    archive = ZipInputStream(FileInputStream(path))
    rois = []
    try:
        entry = archive.getNextEntry()
        while entry is not None:
            out = ByteArrayOutputStream()
            part = jarray.zeros(8192, "b")
            n = archive.read(part)
            while n > 0:
                out.write(part, 0, n)
                n = archive.read(part)
            name = entry.getName()[:-4]
            rois.append(RoiDecoder(out.toByteArray(), name).getRoi())
            entry = archive.getNextEntry()
    finally:
        archive.close()
    if GraphicsEnvironment.isHeadless():  # there is no ROI Manager without a display
        if imp is not None:
            from ij.gui import Overlay

            overlay = imp.getOverlay() or Overlay()
            for roi in rois:
                overlay.add(roi)
            imp.setOverlay(overlay)
    else:
        from ij.plugin.frame import RoiManager

        manager = RoiManager.getInstance2() or RoiManager()
        for roi in rois:
            manager.addRoi(roi)
    return rois


def _show(answer, imp):
    objects = []
    for item in answer.get("shown") or ():
        kind, path = item["kind"], item["path"]
        if kind == "image":
            objects.append(_show_image(path, item["title"]))
        elif kind == "table":
            objects.append(_show_table(path, item["title"]))
        elif kind == "rois":
            objects.append(_show_rois(path, imp))
        elif kind == "clear":
            IJ.run("Clear Results")
    return objects


# ---- the two doors


def call(verb, keys="", imp=None, **settings):
    """Run a verb; returns a dict: ok, message, error, report, objects (what was opened).

    keys is a line of macro options; settings are the same by name. Never raises.
    """
    if imp is None:
        imp = WindowManager.getCurrentImage()
    inputs = {"verb": verb}
    if settings:
        inputs["settings"] = settings
    else:
        inputs["keys"] = keys or ""
    folder = None
    try:
        if imp is None:
            inputs["image"] = None
        answer = _ask(inputs)
        for _ in range(4):
            need = answer.get("need")
            if not need:
                break
            folder = folder or _temporary()
            if need == "image":
                inputs.update(_around(imp, folder))
                inputs["image"] = _save_image(imp, folder)
            elif need == "rois":
                inputs["rois"] = _save_rois(folder, imp)
            else:
                inputs["results"] = _save_results(folder)
            answer = _ask(inputs)
        answer["objects"] = _show(answer, imp) if answer.get("ok") else []
    except (Exception, Throwable) as error:
        message = _text(error.args[0]) if getattr(error, "args", None) else _text(error)
        answer = {"ok": False, "message": message, "error": message, "objects": []}
    finally:
        _remove(folder)
    if answer.get("folder"):
        _remove(File(answer["folder"]))
    System.setProperty("fijibridge.status", "ok" if answer["ok"] else "error")
    System.setProperty("fijibridge.message", answer["message"])
    return answer


# ---- the dialog of a command


def _choose(title, about, fields):
    """Ask for settings in ImageJ's dialog; returns what is not at its default, None = cancelled.

    A field is (name, default, kind, help); kind is "flag", "text", "file", "folder" or choices.
    """
    from ij.gui import GenericDialog

    dialog = GenericDialog(title)
    dialog.addMessage(about)
    texts = [field for field in fields if field[2] != "flag"]
    flags = [field for field in fields if field[2] == "flag"]
    for i, (name, default, kind, _) in enumerate(texts):
        if i % 2:
            dialog.addToSameRow()
        if kind == "text":
            dialog.addStringField(_title(name), default, 14)
        elif kind == "file":
            dialog.addFileField(_title(name), default, 22)
        elif kind == "folder":
            dialog.addDirectoryField(_title(name), default, 22)
        else:
            dialog.addChoice(_title(name), jarray.array(list(kind), String), default)
        if not i % 2 and i + 1 < len(texts):  # ImageJ gives wide fields the rest of the row
            layout, last = dialog.getLayout(), dialog.getComponent(dialog.getComponentCount() - 1)
            place = layout.getConstraints(last)
            place.gridwidth = 1
            layout.setConstraints(last, place)
    if flags:
        names = jarray.array([_title(field[0]) for field in flags], String)
        states = jarray.array([field[1] == "true" for field in flags], "z")
        dialog.addCheckboxGroup((len(flags) + 3) // 4, 4, names, states)
    rows = [u"<tr><td><b>%s</b></td><td>%s</td></tr>" % (name, text) for name, _, _, text in fields]
    dialog.addHelp(u"<html><table>%s</table></html>" % u"".join(rows))
    dialog.showDialog()
    if dialog.wasCanceled():
        from ij.plugin.frame import Recorder

        Recorder.disableCommandRecording()
        return None
    return _chosen(dialog, texts, flags)


def _title(name):
    return name[:1].upper() + name[1:]


def _chosen(dialog, texts, flags):
    # from the components: asked for its values the dialog would record them all
    written = iter(dialog.getStringFields() or ())
    picked = iter(dialog.getChoices() or ())
    boxes = iter(dialog.getCheckboxes() or ())
    chosen = {}
    for name, default, kind, _ in texts:
        if kind in ("text", "file", "folder"):
            value = written.next().getText().strip()
        else:
            value = picked.next().getSelectedItem()
        if value and value != default:
            chosen[name] = value
    for name, default, _, _ in flags:
        value = "true" if boxes.next().getState() else "false"
        if value != default:
            chosen[name] = value
    return chosen


def _record(fields, chosen):
    """Let the recorder write the options of the command that runs, if it records."""
    from ij.plugin.frame import Recorder

    if not Recorder.record:
        return
    said = [(name, chosen[name]) for name, _, _, _ in fields if name in chosen]
    if not said:  # without options the line would open the dialog again
        said = [field[:2] for field in fields if field[1]][:1]
    line = u" ".join([u"%s=%s" % (name, _quoted(value)) for name, value in said])
    for plain, escaped in ((u"\\", u"\\\\"), (u'"', u'\\"'), (u"\n", u"\\n")):
        line = line.replace(plain, escaped)
    try:
        # its own way takes size= for a repeated key when pixel_size= is there
        options = Recorder.getDeclaredField("commandOptions")
        options.setAccessible(True)
        options.set(None, line)
    except (Exception, Throwable):
        for name, value in said:
            Recorder.recordOption(name, value)


def _quoted(value):
    if u"[" in value or u"]" in value:
        return u"'%s'" % value
    if not value or u" " in value or u"'" in value or u"\t" in value or u"\n" in value:
        return u"[%s]" % value
    return value


# ---- what a command knows of the thread that called it


def _of_caller(kind, name, context):
    """What ImageJ keeps by thread in a table of a class, for the thread that called the command.

    SciJava runs a script in a thread of its own.
    """
    try:
        threads = context.getService("org.scijava.thread.ThreadService")
        parent = threads.getParent(Thread.currentThread())
        table = kind.getDeclaredField(name)
        table.setAccessible(True)
        return table.get(None).get(parent)
    except (Exception, Throwable):
        return None


def _macro_options(context):
    """The options of run(command, options), or None when the command came from the menu."""
    from ij import Macro

    found = Macro.getOptions()
    if found is not None or context is None:
        return found
    return _of_caller(Macro, "table", context)


def run(verb, title, about, fields, context):
    """Run a menu command: with macro options, else what its dialog says; returns (ok, message).

    fields are as in _choose, none = no dialog; context is SciJava's, or None.
    """
    options = _macro_options(context)
    imp = None if context is None else _of_caller(WindowManager, "tempImageTable", context)
    if options is not None and options.strip():
        answer = call(verb, options.strip(), imp)
    else:
        chosen = {}
        if fields and not GraphicsEnvironment.isHeadless():
            chosen = _choose(title, about, fields)
            if chosen is None:
                System.setProperty("fijibridge.status", "cancelled")
                System.setProperty("fijibridge.message", "%s was cancelled." % title)
                return False, "%s was cancelled." % title
            _record(fields, chosen)
        answer = call(verb, "", imp, **chosen)
    if answer["message"]:
        IJ.log((u"" if answer["ok"] else u"FijiBridge: ") + answer["message"])
    if not answer["ok"] and options is None and not GraphicsEnvironment.isHeadless():
        IJ.error("FijiBridge", answer["message"])
    return answer["ok"], answer["message"]
