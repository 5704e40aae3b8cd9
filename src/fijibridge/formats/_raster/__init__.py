"""Parts of the picture formats: writing, and the Netpbm family."""
