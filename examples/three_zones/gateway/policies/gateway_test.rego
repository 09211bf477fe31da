package gateway_test

import data.gateway
import rego.v1

# The good request; each test changes one thing in it.
creating := {
	"mtls": {"verified": false, "subject": {}, "san": {"uri": [], "dns": []}},
	"token": {"sub": "user-123", "exp": 4102444800, "realm_access": {"roles": []}},
	"request": {"method": "POST", "path": "/api/v1/orders", "segments": ["api", "v1", "orders"], "query": {}, "host": "h"},
	"headers": {"X-Correlation-ID": "req-1"},
	"route": "orders",
	"decision_id": "d-1",
}

asking(method, segments) := object.union(creating, {"request": {
	"method": method,
	"path": concat("/", array.concat([""], segments)),
	"segments": segments,
}})

test_a_user_creates_an_order if gateway.allow with input as creating

test_a_user_reads_an_order if gateway.allow with input as asking("GET", ["api", "v1", "orders", "o-1"])

test_a_user_creates_a_payment if gateway.allow with input as asking("POST", ["api", "v1", "payments"])

test_without_a_token_nothing if {
	not gateway.allow with input as object.union(object.remove(creating, ["token"]), {"token": {}})
}

test_without_anything_nothing if {
	not gateway.allow with input as {}
}

test_an_expired_token_is_none if {
	not gateway.allow with input as object.union(creating, {"token": {"exp": 1}})
}

test_within_the_leeway_the_sidecar_decides if {
	now := time.now_ns() / 1000000000
	gateway.allow with input as object.union(creating, {"token": {"exp": now - 10}})
	not gateway.allow with input as object.union(creating, {"token": {"exp": now - 40}})
}

test_a_time_is_a_number if {
	not gateway.allow with input as object.union(creating, {"token": {"exp": "4102444800"}})
}

test_a_user_has_a_name if {
	every sub in ["", null, 5, ["user-123"]] {
		not gateway.allow with input as object.union(creating, {"token": {"sub": sub}})
	}
}

test_another_method_is_denied if {
	every method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post"] {
		not gateway.allow with input as asking(method, ["api", "v1", "orders"])
	}
	every method in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
		not gateway.allow with input as asking(method, ["api", "v1", "orders", "o-1"])
	}
	every method in ["GET", "DELETE"] {
		not gateway.allow with input as asking(method, ["api", "v1", "payments"])
	}
}

test_correction_14_another_path_is_denied if {
	every segments in [
		[], ["admin"], ["api", "v1"], ["api", "v1", "orders-admin"], ["api", "v1", "orders", ""],
		["api", "v1", "orders", "o-1", "items"], ["api", "v2", "orders"], ["orders"], ["api", "v1", "inventory"],
		["api", "v1", "inventory", "PROD-123"], ["api", "v1", "payments", "p-1"], ["api", "v1", "Orders"],
		["x", "api", "v1", "orders"],
	] {
		not gateway.allow with input as asking("GET", segments)
		not gateway.allow with input as asking("POST", segments)
	}
}
