#include FijiBridge/fijibridge_call.ijm
// FijiBridge Patch Checkin...: an edited patch goes back where it came from, every pyramid level right.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
if (keys == "") interactive = !fijibridgeHeadless();
if (interactive) {
    call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create("FijiBridge Patch Checkin");
    Dialog.addMessage("An edited patch goes back where it came from, every pyramid level right.\nEmpty fields are left out; no input: the active image.");
    Dialog.addString("File", "", 32);
    Dialog.addString("Store", "", 32);
    Dialog.addString("Region", "", 8);
    Dialog.addToSameRow();
    Dialog.addString("Level", "", 8);
    Dialog.addString("Axes", "", 8);
    Dialog.addToSameRow();
    Dialog.addChoice("Filter", newArray("", "linear", "mean", "nearest"), "");
    Dialog.addString("As labels", "", 32);
    Dialog.addCheckbox("Convert dtype", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Force", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Overwrite", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Skip existing", false);
    Dialog.addCheckbox("Dry run", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("No settings", false);
    Dialog.show();
    keys = "";
    keys = keys + fijibridgeKey("file", Dialog.getString());
    keys = keys + fijibridgeKey("store", Dialog.getString());
    keys = keys + fijibridgeKey("region", Dialog.getString());
    keys = keys + fijibridgeKey("level", Dialog.getString());
    keys = keys + fijibridgeKey("axes", Dialog.getString());
    keys = keys + fijibridgeKey("filter", Dialog.getChoice());
    keys = keys + fijibridgeKey("as_labels", Dialog.getString());
    if (Dialog.getCheckbox()) keys = keys + "convert_dtype ";
    if (Dialog.getCheckbox()) keys = keys + "force ";
    if (Dialog.getCheckbox()) keys = keys + "overwrite ";
    if (Dialog.getCheckbox()) keys = keys + "skip_existing ";
    if (Dialog.getCheckbox()) keys = keys + "dry_run ";
    if (Dialog.getCheckbox()) keys = keys + "no_settings ";
}
fijibridgeDo("FijiBridge Patch Checkin...", "patch checkin", keys, interactive);
