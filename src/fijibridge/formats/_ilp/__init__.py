"""Parts of the reader of ilastik projects."""
