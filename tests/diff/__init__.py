"""The differential test: see README.md."""
