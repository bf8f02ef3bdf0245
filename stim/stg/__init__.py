"""STG4000 stimulators of Multi Channel Systems: download and streaming."""
