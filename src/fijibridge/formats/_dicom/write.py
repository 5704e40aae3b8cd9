"""The header of the DICOM files that are written: all bytes before the pixels."""

from __future__ import annotations

import io
import json
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._carried import said_of
from fijibridge.formats._dicom.read import (
    CREATOR,
    ELEMENT,
    MILLIMETER,
    PIXELS,
    PRIVATE_GROUP,
    STRAIGHT_LINE,
    UPRIGHT,
    pydicom_module,
)
from fijibridge.model.units import length_factor

if TYPE_CHECKING:
    from fijibridge.model import ImageSpec

__all__ = ["header_bytes", "stored_dtype"]


def stored_dtype(spec: ImageSpec) -> np.dtype[Any]:
    return np.dtype("<u1" if spec.dtype.itemsize == 1 else "<u2")


def header_bytes(spec: ImageSpec) -> bytes:
    """Return all bytes before the pixels."""
    module = pydicom_module()
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    stored = stored_dtype(spec)
    bits = stored.itemsize * 8
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Multi-frame Grayscale Byte, or Word, Secondary Capture
    found.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.7.{2 if bits == 8 else 3}"
    found.SOPInstanceUID = generate_uid()
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.SpecificCharacterSet = "ISO_IR 192"
    found.StudyInstanceUID, found.SeriesInstanceUID = generate_uid(), generate_uid()
    found.FrameOfReferenceUID = generate_uid()
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate"),
        *("StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
        *("PositionReferenceIndicator", "PatientOrientation"),
    ):
        setattr(found, keyword, "")
    found.Modality, found.ConversionType, found.BurnedInAnnotation = "OT", "WSD", "NO"
    found.Manufacturer = "fijibridge"
    found.SeriesNumber = found.InstanceNumber = 1
    found.SamplesPerPixel, found.PixelRepresentation = 1, 0
    found.PhotometricInterpretation = "MONOCHROME1" if spec.extra.inverted_lut else "MONOCHROME2"
    found.PresentationLUTShape = "INVERSE" if spec.extra.inverted_lut else "IDENTITY"
    found.Rows, found.Columns = spec.axes.size("y"), spec.axes.size("x")
    found.NumberOfFrames = spec.axes.size("z")
    found.BitsAllocated = found.BitsStored = bits
    found.HighBit = bits - 1
    line = spec.extra.valuation
    straight = line is not None and line.function == STRAIGHT_LINE and len(line.coefficients) == 2
    inter, slope = line.coefficients if line is not None and straight else (0.0, 1.0)
    found.RescaleIntercept, found.RescaleSlope = _decimal(inter), _decimal(slope)
    found.RescaleType = "US"
    _place(found, spec)
    said = {**said_of(spec), "role": spec.role}
    found.private_block(PRIVATE_GROUP, CREATOR, create=True).add_new(
        ELEMENT, "UT", json.dumps(said)
    )
    file = io.BytesIO()
    module.dcmwrite(file, found, enforce_file_format=True)
    nbytes = math.prod(spec.shape) * stored.itemsize
    element = struct.pack("<HH2s2xI", *PIXELS, b"OB" if bits == 8 else b"OW", nbytes + nbytes % 2)
    return file.getvalue() + element


def _decimal(value: float) -> Any:
    from pydicom.valuerep import DSfloat

    return DSfloat(value, auto_format=True)


def _place(found: Any, spec: ImageSpec) -> None:
    """Write spacings and positions, when the lengths are known."""
    from pydicom.dataset import Dataset

    axes = {key: spec.axes.get(key) for key in "xyz"}
    factors = {
        key: length_factor(axis.unit, MILLIMETER) for key, axis in axes.items() if key in spec.axes
    }
    if any(factor is None for factor in factors.values()):
        return
    scale = {key: axis.scale * (factors.get(key) or 1.0) for key, axis in axes.items()}
    start = {key: axis.origin * (factors.get(key) or 1.0) for key, axis in axes.items()}
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    spacing = [_decimal(scale["y"]), _decimal(scale["x"])]
    found.PixelSpacing = measures.PixelSpacing = spacing
    if "z" in spec.axes:
        depth = _decimal(scale["z"])
        found.SpacingBetweenSlices = measures.SpacingBetweenSlices = depth
        found.SliceThickness = measures.SliceThickness = depth
    upright = [_decimal(v) for v in UPRIGHT]
    found.ImageOrientationPatient = orientation.ImageOrientationPatient = upright
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    found.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for i in range(axes["z"].size):
        at = (start["x"], start["y"], start["z"] + i * scale["z"])
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [_decimal(v) for v in at]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    found.ImagePositionPatient = frames[0].PlanePositionSequence[0].ImagePositionPatient
    found.PerFrameFunctionalGroupsSequence = frames
    found.FrameIncrementPointer = 0x52009230  # the frames' own groups say where they lie
