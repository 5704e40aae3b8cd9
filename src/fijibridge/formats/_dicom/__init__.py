"""Parts of the DICOM format: what files say, and what ours say."""
