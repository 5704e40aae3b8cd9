#include FijiBridge/fijibridge_call.ijm
// FijiBridge Measure...: measurements of existing labels or ROIs, as ImageJ's Measure gives them.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
if (keys == "") interactive = !fijibridgeHeadless();
if (interactive) {
    call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create("FijiBridge Measure");
    Dialog.addMessage("Measurements of existing labels or ROIs, as ImageJ's Measure gives them.\nEmpty fields are left out; no input: the active image.");
    Dialog.addString("Objects", "", 32);
    Dialog.addString("Image", "", 32);
    Dialog.addString("Axes", "", 8);
    Dialog.addToSameRow();
    Dialog.addString("Slice", "", 8);
    Dialog.addString("Measurements", "area mean min", 32);
    Dialog.addString("Decimal", "3", 8);
    Dialog.addString("Table", "", 32);
    Dialog.addString("Outdir", "", 32);
    Dialog.addCheckbox("Overwrite", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Skip existing", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Dry run", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("No settings", false);
    Dialog.show();
    keys = "";
    keys = keys + fijibridgeKey("objects", Dialog.getString());
    keys = keys + fijibridgeKey("image", Dialog.getString());
    keys = keys + fijibridgeKey("axes", Dialog.getString());
    keys = keys + fijibridgeKey("slice", Dialog.getString());
    value = Dialog.getString(); if (value != "area mean min") keys = keys + fijibridgeKey("measurements", value);
    value = Dialog.getString(); if (value != "3") keys = keys + fijibridgeKey("decimal", value);
    keys = keys + fijibridgeKey("table", Dialog.getString());
    keys = keys + fijibridgeKey("outdir", Dialog.getString());
    if (Dialog.getCheckbox()) keys = keys + "overwrite ";
    if (Dialog.getCheckbox()) keys = keys + "skip_existing ";
    if (Dialog.getCheckbox()) keys = keys + "dry_run ";
    if (Dialog.getCheckbox()) keys = keys + "no_settings ";
}
fijibridgeDo("FijiBridge Measure...", "measure", keys, interactive);
