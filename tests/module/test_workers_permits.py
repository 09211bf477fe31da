"""What a worker permits, and what the filter makes of it: the very record, and the very headers, of a worker."""

from __future__ import annotations

import itertools
import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.module.ground import EPOCH
from tests.module.host import GOOD, Host
from tests.support.decisions import HEADERS, request, rules, unless_refused

from authz_rego.values.python_documents import from_python
from authz_service.audit.record import Recorder
from authz_service.audit.seal import find_sealed
from authz_service.audit.template import find_template
from authz_service.domain.decision import NO_PEER, Allow, Claims, Verdict
from authz_service.domain.refusals import Reason
from authz_service.ext_authz.permit import permit
from authz_service.ingress.owned_headers import OwnedHeaders

_JUDGED = "0a" * 16
_OWNED = sorted(name.lower() for _, name in HEADERS.inject)
_PATHS = (f"/example/{number}" for number in itertools.count())
_TEXTS = st.text(max_size=30)


@pytest.fixture(scope="module")
def telling(shared_host: Host) -> Host:
    """With the headers of a real gate's rules."""
    ground = shared_host.ground
    assert shared_host.configure(ground.configuration() + "".join(f"owned {name}\n" for name in _OWNED))
    return shared_host


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(_TEXTS, min_size=6, max_size=6), roles=st.lists(_TEXTS, max_size=3))
def test_whatever_callers_and_policies_say_the_filter_repeats_it_as_a_worker_would(
    telling: Host, texts: list[str], roles: list[str]
) -> None:
    """Byte by byte: the record that a worker would have written, and the headers that it would have set."""
    method, path, host, subject, mail, reason = texts
    claims = Claims(from_python({"sub": subject, "email": mail, "realm_access": {"roles": roles}}), "https://idp", 0.0)
    decision = Allow(b"", peer=NO_PEER, claims=claims, verdict=Verdict(Reason.ALLOWED, (reason,), None))
    asked, recorder = request(method=method, path=path, host=host), Recorder(rules())
    made = recorder.line(
        asked, decision, decision_id=_JUDGED, correlation_id="c-1", user_context="", now=1.5, duration_us=7
    )
    template = find_template(made, _JUDGED, "c-1")
    assert template is not None
    told = unless_refused(Reason.TOKEN_CLAIMS_INVALID, lambda: OwnedHeaders(HEADERS).for_app(NO_PEER, claims))
    if told is None:
        return  # a claim that cannot be a header
    owned = told.lines
    header = permit(EPOCH, time.time() + 50, template, owned).removeprefix(b"x-authz-remember: ").strip().decode()
    came_in = GOOD.but(path=next(_PATHS))
    telling.ask(came_in, header)

    found = telling.ask(came_in.but(correlation_ids=("c-2",)))

    assert found.known
    sealed = find_sealed(Path(telling.ground.audit).read_bytes().splitlines()[-1])
    assert sealed is not None
    record = json.loads(sealed.text + b"}")
    own = {"decision_id": record["decision_id"], "correlation_id": "c-2", "duration_us": record["duration_us"]}
    moment = datetime.fromisoformat(record["time"]).timestamp() + 0.000_5
    again = recorder.line(asked, decision, user_context="", now=moment, repeats=_JUDGED, **own)
    assert sealed.text.startswith(again[:-2] + b',"writer":"')
    for name, _, value in (line.partition(b": ") for line in owned.split(b"\r\n")[:-1]):
        if not name.startswith(b"x-envoy-"):
            assert found.values(name.decode()) == [value.decode("latin-1")]
        else:
            assert not [gone for gone in value.decode().split(",") if found.values(gone)]
