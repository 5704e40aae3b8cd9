"""What ilastik refuses, ignores or does unasked: what is decided here, on the command line."""

from __future__ import annotations

import json
import shutil

import pytest

import fijibridge as fb
from fijibridge.cli import main

#: case of golden/ilastik/errors -> (exit code, what is said), (exit code under compat)
DECISIONS = {
    "bad_axis_char": (2, "output_axis_order is 'zyxq'", 2),
    "bad_dtype": (2, "export_dtype is 'uint64'", 2),
    "bad_format": (2, "Did you mean 'hdf5'?", 2),
    "bad_source": (2, "export_source is 'Probabilities'", 2),
    "bigger_than_5_axis_order_dup": (2, "each once", 2),
    "blockwise_hdf5": (0, "", 0),  # ilastik fails; ordinary HDF5 blocks are what is meant
    "cutout_empty": (2, "The cut-out is empty along 'z'", 2),
    "cutout_negative_stop": (2, "The cut-out is empty along 'z'", 2),
    "cutout_not_list": (2, "expected is a list", 2),
    "cutout_one_tuple": (2, "two parts of one length", 2),
    "cutout_wrong_ndim": (2, "names 2 axes; the input has", 2),
    "dash_args": (0, "", 0),  # ilastik ignores flags with dashes; here they are flags
    "drange_list3": (2, "allowed are two numbers", 2),
    "drop_nonsingleton": (2, "leaves out z of size", 2),
    "exists_overwrite_h5": (0, "", 0),  # another dataset of the file
    "export_drange_without_input": (2, "without pipeline_result_drange", 2),
    "hdr_u8": (4, "Radiance HDR cannot hold uint8 pixels", 4),  # ilastik leaves a broken file
    "jpeg_u16": (4, "cannot hold uint16 pixels", 4),  # ilastik stretches the values unasked
    "malformed_placeholder": (2, "malformed placeholder", 2),
    "missing_file": (3, "There is no file", 3),
    "mp_tiff_seq_of_3d": (4, "needs 4 axes of more than one sample", 4),
    "no_datasets_multi": (3, "", 3),
    "pipeline_drange_only": (2, "pipeline_result_drange alone does nothing", 0),
    "png_2channels": (0, "", 0),
    "png_float": (4, "cannot hold float32 pixels", 4),  # ilastik stretches the values unasked
    "png_of_3d": (4, "holds one plane", 4),
    "png_sequence_channels4": (0, "", 0),
    "seq_of_2d": (4, "needs 3 axes of more than one sample", 4),
    "seq_without_slice_index": (2, "{slice_index}", 2),
    "table_only_noop": (2, "There is no flag --table_only", 2),
    "tiff_of_3d": (4, "holds one plane", 4),
    "trailing_and_role": (2, "Two inputs would be written to", 2),
    "zarr_internal_path_npz_in_name": (2, "goes on inside 'a.h5'", 2),
}


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("name", DECISIONS)
def test_each_is_decided(shared, tmp_path, capsys, name, compat):
    folder = shared / "golden/ilastik/errors" / name
    case = json.loads((folder / "case.json").read_text())
    work = tmp_path / "case"
    shutil.copytree(folder / "input", work) if (folder / "input").exists() else work.mkdir()
    before = sorted(p for p in work.rglob("*") if p.is_file())
    words = [word.replace("{CASE}", str(work)) for word in case["args"]]
    code, said, exact_code = DECISIONS[name]
    found = main(["export", *words, *(["--compat", "ilastik"] if compat else [])])
    wanted = exact_code if compat else code
    err = capsys.readouterr().err
    assert found == wanted, err
    if wanted:
        assert said in err or compat
        # nothing is left behind
        assert sorted(p for p in work.rglob("*") if p.is_file()) == before


def test_a_store_that_is_there_is_not_replaced_unasked(shared, tmp_path, capsys):
    shutil.copytree(shared / "golden/ilastik/errors/zarr_exists/input", tmp_path / "case")
    where = f"--output_filename_format={tmp_path}/case/o.zarr"
    words = ["--output_format=single-scale OME-Zarr", where, f"{tmp_path}/case/v.h5/data"]
    assert main(["export", *words]) == 0
    assert main(["export", *words]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["export", *words, "--overwrite"]) == 0


def test_the_flags_of_a_dashed_line_hold(shared, tmp_path):
    import h5py

    folder = shared / "golden/ilastik/errors/dash_args"
    shutil.copytree(folder / "input", tmp_path / "case")
    assert main(["export", "--output-format=hdf5", f"{tmp_path}/case/v.h5/data"]) == 0
    with h5py.File(tmp_path / "case/v-data_Input.h5") as file:
        assert file["exported_data"].compression is None
    assert (tmp_path / "case/v-data_Input_settings.json").exists()
    assert fb.read_image(tmp_path / "case/v-data_Input.h5").shape
