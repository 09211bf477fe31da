"""Used-up inotify instances are said in one line, before Envoy ends without one."""

import errno
import os
from collections.abc import Callable

import pytest
from tests.support.rendering import CASES, rendered

from authz_service.control_plane.preflight.file_watches import more_watches, require_watches, watches
from authz_service.errors import ConfigProblems


def a_host_with(left: int, number: int = errno.EMFILE) -> tuple[Callable[[], int], list[int]]:
    """So many instances, and the descriptors that were given. The host's own are for everybody on it."""
    given: list[int] = []

    def open_one() -> int:
        if len(given) == left:
            raise OSError(number, os.strerror(number))
        given.append(os.open("/dev/null", os.O_RDONLY))
        return given[-1]

    return open_one, given


@pytest.mark.parametrize(("needed", "left"), [(5, 5), (5, 6), (0, 0)])
def test_enough_are_enough_and_given_back(needed: int, left: int) -> None:
    open_one, given = a_host_with(left)

    require_watches(needed, open_one)

    assert len(given) == needed
    for descriptor in given:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOSPC])
def test_too_few_are_told_with_what_to_do(number: int) -> None:
    open_one, given = a_host_with(4, number)

    with pytest.raises(ConfigProblems, match=r"5 inotify instances are needed, and 4 are left.*max_user_instances"):
        require_watches(5, open_one)

    assert len(given) == 4
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given[0])


def test_what_is_no_limit_is_not_our_business() -> None:
    """A kernel without inotify, say."""
    require_watches(5, a_host_with(0, errno.ENOSYS)[0])


def test_the_real_ones_can_be_opened() -> None:
    """One, for a moment."""
    require_watches(1)


@pytest.mark.parametrize("name", CASES)
def test_each_file_that_envoy_follows_counts(name: str) -> None:
    resources = rendered(name)

    assert watches(resources) == len(resources.secrets) + len(resources.routes) + 2


def test_a_start_counts_ours_and_a_reload_the_envoy_that_checks() -> None:
    """Or we took Envoy's last one, and it could never start; nothing is needed where nothing changes."""
    small, large = sorted((rendered(case) for case in CASES), key=watches)[:: len(CASES) - 1]

    assert more_watches(small, None) == watches(small) + 1
    assert more_watches(small, small) == 0
    assert more_watches(large, small) == max(watches(large) - watches(small), len(large.secrets))
    assert more_watches(small, large) == len(small.secrets)
