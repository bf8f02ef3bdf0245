"""STG4000 stimulators of Multi Channel Systems: download, streaming, several at once."""
