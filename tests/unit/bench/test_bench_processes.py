"""Memory is counted once: a file that two processes map, and pages of it that one has written to."""

from bench.processes import mapped_files

SMAPS = """\
559d5c400000-559d5c500000 r-xp 00000000 fe:00 1234                       /usr/lib/some where/libone.so
Size:               1024 kB
Rss:                 600 kB
Pss:                 300 kB
Anonymous:             0 kB
559d5c500000-559d5c600000 rw-p 00100000 fe:00 1234                       /usr/lib/some where/libone.so
Rss:                 100 kB
Anonymous:            80 kB
559d5d000000-559d5e000000 rw-p 00000000 00:00 0                          [heap]
Rss:                4000 kB
Anonymous:          4000 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Rss:                 900 kB
Anonymous:           900 kB
"""


def test_a_file_counts_what_is_in_memory_and_not_written_to() -> None:
    """600 kB of program, and 20 kB of data that nobody has changed."""
    assert mapped_files(SMAPS)["/usr/lib/some where/libone.so"] == 620


def test_heap_and_nameless_memory_are_no_files() -> None:
    assert list(mapped_files(SMAPS)) == ["/usr/lib/some where/libone.so"]
