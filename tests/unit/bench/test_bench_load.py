"""What `wrk` says is read strictly: a run without a result is no measurement."""

import pytest
from bench.load import BenchError, read_result

RESULT = 'RESULT {"requests": 600, "seconds": 3.0, "refused": 0, "broken": 0, "p50_us": 900, "p99_us": 2500}'


def test_the_result_line_is_found_among_wrks_own() -> None:
    load = read_result(f"Running 3s test @ http://127.0.0.1\n{RESULT}\nRequests/sec: 200\n")

    assert (load.requests, load.rate, load.p99_us) == (600, 200.0, 2500)


def test_no_result_is_an_error_with_wrks_words() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        read_result("unable to connect to 127.0.0.1:1 Connection refused\n")
