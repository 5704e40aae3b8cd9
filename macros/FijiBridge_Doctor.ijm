#include FijiBridge/fijibridge_call.ijm
// FijiBridge Doctor: what works here, and the exact next command for what does not.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
if (keys == "") interactive = !fijibridgeHeadless();
if (interactive) {
    call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create("FijiBridge Doctor");
    Dialog.addMessage("What works here, and the exact next command for what does not.\nEmpty fields are left out; no input: the active image.");
    Dialog.addCheckbox("Start", true);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Overwrite", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Skip existing", false);
    Dialog.addToSameRow();
    Dialog.addCheckbox("Dry run", false);
    Dialog.addCheckbox("No settings", false);
    Dialog.show();
    keys = "";
    if (!Dialog.getCheckbox()) keys = keys + "start=false ";
    if (Dialog.getCheckbox()) keys = keys + "overwrite ";
    if (Dialog.getCheckbox()) keys = keys + "skip_existing ";
    if (Dialog.getCheckbox()) keys = keys + "dry_run ";
    if (Dialog.getCheckbox()) keys = keys + "no_settings ";
}
fijibridgeDo("FijiBridge Doctor", "doctor", keys, interactive);
