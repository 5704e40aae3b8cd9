#include FijiBridge/fijibridge_call.ijm
// FijiBridge Convert...: any label mask, ROI set, table or image into any other format or kind.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
if (keys == "") interactive = !fijibridgeHeadless();
if (interactive) {
    call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create("FijiBridge Convert");
    Dialog.addMessage("Any label mask, ROI set, table or image into any other format or kind.\nEmpty fields are left out; no input: the active image.");
    Dialog.addString("Input", "", 32);
    Dialog.addString("Output", "", 32);
    Dialog.addString("Each", "", 32);
    Dialog.addString("To", "", 8);
    Dialog.addToSameRow();
    Dialog.addChoice("Lut", newArray("glasbey", "none"), "glasbey");
    Dialog.addChoice("Role", newArray("", "labels", "intensity", "probabilities"), "");
    Dialog.addToSameRow();
    Dialog.addString("Axes", "", 8);
    Dialog.addString("Pixel size", "", 8);
    Dialog.addToSameRow();
    Dialog.addString("Unit", "", 8);
    Dialog.addString("Like", "", 32);
    Dialog.addString("Shape", "", 8);
    Dialog.addToSameRow();
    Dialog.addChoice("Overlap", newArray("last", "first", "smallest", "error", "channels"), "last");
    Dialog.addString("Names", "{label:04d}", 32);
    Dialog.addChoice("Vertices", newArray("corners", "centers"), "corners");
    Dialog.addCheckbox("Overwrite", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Skip existing", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Dry run", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("No settings", false);
    Dialog.show();
    keys = "";
    keys = keys + fijibridgeKey("input", Dialog.getString());
    keys = keys + fijibridgeKey("output", Dialog.getString());
    keys = keys + fijibridgeKey("each", Dialog.getString());
    keys = keys + fijibridgeKey("to", Dialog.getString());
    value = Dialog.getChoice(); if (value != "glasbey") keys = keys + fijibridgeKey("lut", value);
    keys = keys + fijibridgeKey("role", Dialog.getChoice());
    keys = keys + fijibridgeKey("axes", Dialog.getString());
    keys = keys + fijibridgeKey("pixel_size", Dialog.getString());
    keys = keys + fijibridgeKey("unit", Dialog.getString());
    keys = keys + fijibridgeKey("like", Dialog.getString());
    keys = keys + fijibridgeKey("shape", Dialog.getString());
    value = Dialog.getChoice(); if (value != "last") keys = keys + fijibridgeKey("overlap", value);
    value = Dialog.getString(); if (value != "{label:04d}") keys = keys + fijibridgeKey("names", value);
    value = Dialog.getChoice(); if (value != "corners") keys = keys + fijibridgeKey("vertices", value);
    if (Dialog.getCheckbox()) keys = keys + "overwrite ";
    if (Dialog.getCheckbox()) keys = keys + "skip_existing ";
    if (Dialog.getCheckbox()) keys = keys + "dry_run ";
    if (Dialog.getCheckbox()) keys = keys + "no_settings ";
}
fijibridgeDo("FijiBridge Convert...", "convert", keys, interactive);
