// What every FijiBridge command of plain ImageJ calls; there is no Python in this JVM.
// A macro of your own may call a verb and read the answer ("ok" or "error", then the message):
//     answer = runMacro(getDirectory("macros") + "FijiBridge/fijibridge_call.ijm",
//         "particles size=20-Infinity");
//     if (startsWith(answer, "error")) ...
// After run("FijiBridge Particles...", "...") the same is in two Java properties:
//     call("java.lang.System.getProperty", "fijibridge.status")   "ok" or "error"
//     call("java.lang.System.getProperty", "fijibridge.message")
// Nothing passes through a shell: exec() starts the program itself, and every word is letters,
// digits and _ only.

fijibridgeArgument = getArgument();
if (fijibridgeArgument != "") {
    fijibridgeSpace = indexOf(fijibridgeArgument, " ");
    if (fijibridgeSpace < 0) {
        fijibridgeVerb = fijibridgeArgument;
        fijibridgeKeys = "";
    } else {
        fijibridgeVerb = substring(fijibridgeArgument, 0, fijibridgeSpace);
        fijibridgeKeys = substring(fijibridgeArgument, fijibridgeSpace + 1);
    }
    said = fijibridgeCall(fijibridgeVerb, fijibridgeKeys);
    return said;
}

// The options of run(command, options), or "" when the command was chosen from the menu.
function fijibridgeOptions() {
    options = "" + call("ij.Macro.getOptions");
    if (options == "null") return "";
    return options;
}

function fijibridgeHeadless() {
    said = "" + call("java.awt.GraphicsEnvironment.isHeadless");
    if (said == "true") return true;
    return false;
}

function fijibridgeEncode(text) {
    out = "";
    for (i = 0; i < lengthOf(text); i++) {
        c = charCodeAt(text, i);
        if ((c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)) {
            out = out + fromCharCode(c);
        } else {
            code = "0000" + toLowerCase(toHex(c));
            out = out + "_" + substring(code, lengthOf(code) - 4);
        }
    }
    return out;
}

function fijibridgeDecode(text) {
    out = "";
    parts = split("x" + text, "_");
    out = substring(parts[0], 1);
    for (i = 1; i < parts.length; i++) {
        out = out + fromCharCode(parseInt(substring(parts[i], 0, 4), 16)) + substring(parts[i], 4);
    }
    return out;
}

// The Python that "fijibridge fiji install" wrote down, or "".
function fijibridgePython() {
    named = "" + call("java.lang.System.getProperty", "fijibridge.python", "");
    if (named != "") return named;
    note = getDirectory("macros") + "FijiBridge" + File.separator + "python.txt";
    if (!File.exists(note)) return "";
    lines = split(File.openAsString(note), "\n");
    said = fijibridgeDecode(String.trim(lines[1]));
    return said;
}

function fijibridgeMissing() {
    return "FijiBridge does not find its Python. Type in a terminal:  python -m fijibridge fiji install \"" + getDirectory("imagej") + "\"";
}

function fijibridgeTemporary() {
    n = 0;
    folder = getDirectory("temp") + "fijibridge-ij-" + toHex(floor(random * 2147483647));
    while (File.exists(folder)) {
        n = n + 1;
        folder = getDirectory("temp") + "fijibridge-ij-" + toHex(floor(random * 2147483647)) + n;
    }
    File.makeDirectory(folder);
    return folder + File.separator;
}

function fijibridgeRemove(folder) {
    if (folder == "") return;
    if (!File.exists(folder)) return;
    if (!endsWith(folder, File.separator)) folder = folder + File.separator;
    names = getFileList(folder);
    for (i = 0; i < names.length; i++) gone = File.delete(folder + names[i]);
    gone = File.delete(folder);
}

// Saves the active image, whole, as it is; its title, folder and selection stay what they are.
function fijibridgeSaveImage(path) {
    batch = is("Batch Mode");
    if (!batch) setBatchMode(true);
    id = getImageID();
    selected = false;
    if (selectionType() >= 0) selected = true;
    if (selected) run("Select None");
    changed = is("changes");
    run("Duplicate...", "title=fijibridge duplicate");
    saveAs("Tiff", path);
    close();
    selectImage(id);
    if (selected) run("Restore Selection");
    setOption("Changes", changed);
    if (!batch) setBatchMode(false);
}

// What is handed over is one word: encoded NAME=VALUE, each after a dot.
function fijibridgeHand(handed, name, value) {
    word = fijibridgeEncode(name + "=" + value);
    return handed + "." + word;
}

function fijibridgeExec(python, verb, keys, handed) {
    verbWord = fijibridgeEncode(verb);
    keysWord = "." + fijibridgeEncode(keys);
    reply = exec(python, "-P", "-X", "utf8", "-m", "fijibridge.bridge.worker", "--once", verbWord, keysWord, handed);
    return reply;
}

function fijibridgeCall(verb, keys) {
    python = fijibridgePython();
    if (python == "") {
        missing = fijibridgeMissing();
        said = fijibridgeEnd("error", missing);
        return said;
    }
    folder = "";
    handed = ".";
    if (nImages == 0) handed = fijibridgeHand(handed, "image", "");
    reply = fijibridgeExec(python, verb, keys, handed);
    for (turn = 0; turn < 4; turn++) {
        lines = split(reply + "\n \n", "\n");
        if (!startsWith(lines[0], "fijibridge need ")) turn = 4;
        else {
            need = substring(lines[0], 16);
            if (folder == "") folder = fijibridgeTemporary();
            if (need == "image") {
                title = getTitle();
                path = folder + "image.tif";
                fijibridgeSaveImage(path);
                handed = fijibridgeHand(handed, "image", path);
                handed = fijibridgeHand(handed, "title", title);
                where = getDirectory("image");
                if (where != "") handed = fijibridgeHand(handed, "directory", where);
                getThreshold(low, high);
                if (low != -1) {
                    handed = fijibridgeHand(handed, "threshold", "" + low + "," + high);
                }
                if (selectionType() >= 0) {
                    saveAs("Selection", folder + "selection.roi");
                    handed = fijibridgeHand(handed, "selection", folder + "selection.roi");
                }
            } else if (need == "rois") {
                path = fijibridgeSaveRois(folder);
                handed = fijibridgeHand(handed, "rois", path);
            } else {
                path = "";
                if (getValue("results.count") > 0) {
                    path = folder + "results.tsv";
                    saveAs("Results", path);
                }
                handed = fijibridgeHand(handed, "results", path);
            }
            reply = fijibridgeExec(python, verb, keys, handed);
        }
    }
    fijibridgeRemove(folder);
    lines = split(reply + "\n \n", "\n");
    state = lines[0];
    if (!startsWith(state, "fijibridge ")) {
        missing = fijibridgeMissing();
        said = fijibridgeEnd("error", missing + "  (" + replace(reply, "\n", " ") + ")");
        return said;
    }
    state = substring(state, 11);
    message = fijibridgeDecode(lines[1]);
    if (lines.length > 2) {
        for (line = 3; line < lines.length; line++) {
            words = split(lines[line], " ");
            if (words.length >= 3) {
                fijibridgeShow(words[0], fijibridgeDecode(words[1]), fijibridgeDecode(words[2]));
            } else if (startsWith(lines[line], "clear")) run("Clear Results");
        }
        fijibridgeRemove(fijibridgeDecode(replace(lines[2], " ", "")));
    }
    said = fijibridgeEnd(state, message);
    return said;
}

function fijibridgeSaveRois(folder) {
    if (!is("Batch Mode") && isOpen("ROI Manager")) {
        if (roiManager("count") > 0) {
            roiManager("Deselect");
            roiManager("Save", folder + "rois.zip");
            return folder + "rois.zip";
        }
    }
    if (nImages > 0 && selectionType() >= 0) {
        saveAs("Selection", folder + "one.roi");
        return folder + "one.roi";
    }
    return "";
}

function fijibridgeShow(kind, path, title) {
    headless = fijibridgeHeadless();
    if (kind == "image") {
        open(path);
        rename(title);
    } else if (kind == "table") {
        if (headless) {
            if (title == "Results") fijibridgeAppend(path);
            return;
        }
        full = false;
        if (title == "Results") {
            if (getValue("results.count") > 0) full = true;
        }
        if (full) fijibridgeAppend(path);
        else {
            Table.open(path);
            Table.rename(File.getName(path), title);
        }
    } else if (kind == "rois") {
        if (headless) return;
        roiManager("Open", path);
    }
}

// Rows are added to the Results table; none are lost.
function fijibridgeAppend(path) {
    rows = split(File.openAsString(path), "\n");
    headings = split(rows[0], "\t");
    for (r = 1; r < rows.length; r++) {
        cells = split(rows[r], "(\t)");
        n = getValue("results.count");
        for (c = 0; c < headings.length; c++) {
            blank = String.trim(headings[c]);
            if (lengthOf(blank) > 0 && c < cells.length) {
                cell = cells[c];
                heading = headings[c];
                word = false;
                if (heading == "Label") word = true;
                else if (isNaN(parseFloat(cell))) {
                    if (cell != "NaN") word = true;
                }
                if (word) setResult(heading, n, cell);
                else setResult(heading, n, parseFloat(cell));
            }
        }
    }
    updateResults();
}

function fijibridgeEnd(state, message) {
    old = "" + call("java.lang.System.setProperty", "fijibridge.status", state);
    old = "" + call("java.lang.System.setProperty", "fijibridge.message", "" + message + " ");
    if (message != "") {
        if (state == "ok") print(message);
        else print("FijiBridge: " + message);
    }
    return state + "\n" + message;
}

// One key of a recorded line.
function fijibridgeKey(name, value) {
    if (value == "") return "";
    if (indexOf(value, "[") >= 0 || indexOf(value, "]") >= 0) return name + "='" + value + "' ";
    if (indexOf(value, " ") >= 0 || indexOf(value, "'") >= 0) return name + "=[" + value + "] ";
    return name + "=" + value + " ";
}

// Writes run(label, keys) into the recorder, as one line and only when it is open.
function fijibridgeRecord(label, keys) {
    // without options the line would open the dialog again
    if (keys == "") keys = "overwrite=false";
    text = replace(keys, "\\", "\\\\");
    text = replace(text, "\"", "\\\"");
    line = "run(\"" + label + "\", \"" + String.trim(text) + "\");\n";
    script = "" + call("ij.plugin.frame.Recorder.scriptMode");
    if (script == "true") line = "IJ." + line;
    call("ij.plugin.frame.Recorder.recordString", line);
}

// What every menu command does with its macro options or the keys of its dialog.
function fijibridgeDo(label, verb, keys, interactive) {
    if (interactive) fijibridgeRecord(label, keys);
    // what is opened for the user is no step of his
    call("ij.plugin.frame.Recorder.suspendRecording");
    answer = fijibridgeCall(verb, keys);
    call("ij.plugin.frame.Recorder.resumeRecording");
    if (interactive && startsWith(answer, "error")) showMessage("FijiBridge", substring(answer, 6));
    return answer;
}
