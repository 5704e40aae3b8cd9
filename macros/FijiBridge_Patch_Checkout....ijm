#include FijiBridge/fijibridge_call.ijm
// FijiBridge Patch Checkout...: a sub-volume of a Zarr store as a file to edit, which remembers where it came from.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
if (keys == "") interactive = !fijibridgeHeadless();
if (interactive) {
    call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create("FijiBridge Patch Checkout");
    Dialog.addMessage("A sub-volume of a Zarr store as a file to edit, which remembers where it came from.\nEmpty fields are left out.");
    Dialog.addString("Store", "", 32);
    Dialog.addString("Region", "", 8);
    Dialog.addString("Out", "", 32);
    Dialog.addString("Level", "", 8);
    Dialog.addToSameRow();
    Dialog.addString("To", "", 8);
    Dialog.addCheckbox("Overwrite", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Skip existing", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Dry run", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("No settings", false);
    Dialog.show();
    keys = "";
    keys = keys + fijibridgeKey("store", Dialog.getString());
    keys = keys + fijibridgeKey("region", Dialog.getString());
    keys = keys + fijibridgeKey("out", Dialog.getString());
    keys = keys + fijibridgeKey("level", Dialog.getString());
    keys = keys + fijibridgeKey("to", Dialog.getString());
    if (Dialog.getCheckbox()) keys = keys + "overwrite ";
    if (Dialog.getCheckbox()) keys = keys + "skip_existing ";
    if (Dialog.getCheckbox()) keys = keys + "dry_run ";
    if (Dialog.getCheckbox()) keys = keys + "no_settings ";
}
fijibridgeDo("FijiBridge Patch Checkout...", "patch checkout", keys, interactive);
