"""Parts of the DVID format: what is asked of the server."""
