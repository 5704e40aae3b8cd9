#include FijiBridge/fijibridge_call.ijm
// FijiBridge Doctor: what works here, and the exact next command for what does not.
// Made by: python -m fijibridge.bridge.shims macros. Do not edit.
keys = fijibridgeOptions();
interactive = false;
fijibridgeDo("FijiBridge Doctor", "doctor", keys, interactive);
