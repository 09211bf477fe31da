package payment_test

import data.payment
import rego.v1

# The good request; each test changes one thing in it.
paying := {
	"mtls": {"verified": true, "subject": {"CN": "api-gateway-client", "O": "MyOrg"}, "san": {"uri": [], "dns": []}},
	"token": {"sub": "user-123", "exp": 4102444800, "realm_access": {"roles": ["payments:create"]}},
	"request": {"method": "POST", "path": "/payments", "segments": ["payments"], "query": {}, "host": "payment-service"},
	"headers": {"X-Correlation-ID": "req-1"},
	"route": "default",
	"decision_id": "d-1",
}

asking(method, segments) := object.union(paying, {"request": {
	"method": method,
	"path": concat("/", array.concat([""], segments)),
	"segments": segments,
}})

having(roles, asked) := object.union(asked, {"token": {"realm_access": {"roles": roles}}})

test_a_user_with_the_role_pays if payment.allow with input as paying

test_without_the_role_nobody_pays if {
	every roles in [[], ["payments:read"], ["orders:create"], "payments:create", null] {
		not payment.allow with input as having(roles, paying)
	}
}

test_who_pays_or_reads_payments_may_ask_for_an_order if {
	payment.allow with input as having(["payments:create"], asking("GET", ["orders", "o-1"]))
	payment.allow with input as having(["payments:read"], asking("GET", ["orders", "o-1"]))
	not payment.allow with input as having(["customer", "orders:create"], asking("GET", ["orders", "o-1"]))
	not payment.allow with input as having([], asking("GET", ["orders", "o-1"]))
}

test_only_the_gateway_may_call if {
	every name in ["order-service-client", "payment-service-client", "api-gateway-client ", "", null] {
		not payment.allow with input as object.union(paying, {"mtls": {"subject": {"CN": name}}})
	}
	not payment.allow with input as object.union(paying, {"mtls": {"verified": false}})
	not payment.allow with input as object.union(paying, {"mtls": {"verified": "true"}})
}

test_without_a_token_nothing if {
	not payment.allow with input as object.union(object.remove(paying, ["token"]), {"token": {}})
}

test_without_anything_nothing if {
	not payment.allow with input as {}
}

test_an_expired_token_is_none if {
	now := time.now_ns() / 1000000000
	payment.allow with input as object.union(paying, {"token": {"exp": now - 10}})
	not payment.allow with input as object.union(paying, {"token": {"exp": now - 40}})
	not payment.allow with input as object.union(paying, {"token": {"exp": "4102444800"}})
}

test_a_user_has_a_name if {
	every sub in ["", null, 5, ["user-123"]] {
		not payment.allow with input as object.union(paying, {"token": {"sub": sub}})
	}
}

test_another_method_is_denied if {
	every method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
		not payment.allow with input as asking(method, ["payments"])
	}
	every method in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
		not payment.allow with input as asking(method, ["orders", "o-1"])
	}
}

test_correction_14_another_path_is_denied if {
	every segments in [
		[], ["admin"], ["payments-admin"], ["payments", "p-1"], ["payments", ""], ["orders"], ["orders", ""],
		["orders-admin", "o-1"], ["orders", "o-1", "items"], ["inventory", "PROD-123"], ["healthz"], ["x", "payments"],
	] {
		not payment.allow with input as asking("GET", segments)
		not payment.allow with input as asking("POST", segments)
	}
}
