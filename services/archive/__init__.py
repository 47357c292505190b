"""Keeps every raw article for ever, in WARC files with an index, where DRAGOMAN_ARCHIVE names a folder."""
