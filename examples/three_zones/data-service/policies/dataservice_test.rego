package dataservice_test

import data.dataservice
import rego.v1

# The good request; each test changes one thing in it.
reading := {
	"mtls": {"verified": true, "subject": {"CN": "order-service-client", "O": "MyOrg"}, "san": {"uri": [], "dns": []}},
	"token": {"sub": "service-account-order-service", "azp": "order-service", "exp": 4102444800},
	"request": {
		"method": "GET",
		"path": "/inventory/PROD-123",
		"segments": ["inventory", "PROD-123"],
		"query": {},
		"host": "data-service",
	},
	"headers": {"X-User-Context": "user-123", "X-Correlation-ID": "req-1"},
	"route": "default",
	"decision_id": "d-1",
}

calling(service, method, segments) := object.union(reading, {
	"mtls": {"subject": {"CN": concat("", [service, "-client"])}},
	"token": {"azp": service},
	"request": {"method": method, "path": concat("/", array.concat([""], segments)), "segments": segments},
})

test_the_whole_answer_of_an_allowed_request if {
	answer := dataservice.result with input as reading
	answer == {
		"allow": true,
		"reasons": {"service order-service has permission read-inventory"},
		"audit": {
			"service": "order-service-client",
			"user_context": "user-123",
			"correlation_id": "req-1",
			"action": "GET",
			"resource": "/inventory/PROD-123",
		},
	}
}

test_correction_6_absent_headers_leave_the_answer_defined if {
	answer := dataservice.result with input as object.union(object.remove(reading, ["headers"]), {"headers": {}})
	answer.allow == true
	answer.audit.user_context == ""
	answer.audit.correlation_id == ""
}

# What each service may do; everything else it may not.
permitted := {
	["order-service", "GET", ["inventory"]]: "read-inventory",
	["order-service", "GET", ["inventory", "PROD-123"]]: "read-inventory",
	["order-service", "POST", ["orders"]]: "write-orders",
	["order-service", "GET", ["orders", "o-1"]]: "read-orders",
	["payment-service", "GET", ["orders", "o-1"]]: "read-orders",
	["payment-service", "POST", ["payments"]]: "write-payments",
}

test_correction_5_each_permission_is_granted_with_its_reason if {
	count(permitted) == 6
	every call, permission in permitted {
		answer := dataservice.result with input as calling(call[0], call[1], call[2])
		answer.allow == true
		answer.reasons == {sprintf("service %s has permission %s", [call[0], permission])}
	}
}

test_whatever_is_not_permitted_is_denied_with_a_reason if {
	every service in ["order-service", "payment-service", "api-gateway"] {
		every method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"] {
			every segments in [
				[], ["admin"], ["inventory"], ["inventory", "PROD-123"], ["inventory", ""], ["inventory-admin"],
				["inventory", "PROD-123", "price"], ["orders"], ["orders", "o-1"], ["orders", ""], ["orders-admin"],
				["orders-admin", "o-1"], ["payments"], ["payments", "p-1"], ["payments-admin"], ["healthz"], ["x", "orders"],
			] {
				answer := dataservice.result with input as calling(service, method, segments)
				as_expected(answer, [service, method, segments])
			}
		}
	}
}

as_expected(answer, call) if {
	answer.allow == true
	permitted[call]
}

as_expected(answer, call) if {
	answer.allow == false
	not permitted[call]
	count(answer.reasons) > 0
}

test_a_missing_permission_is_named if {
	answer := dataservice.result with input as calling("payment-service", "POST", ["orders"])
	answer.allow == false
	answer.reasons == {"service payment-service lacks permission write-orders"}
}

test_a_path_without_permission_is_named if {
	answer := dataservice.result with input as calling("order-service", "DELETE", ["orders", "o-1"])
	answer.allow == false
	answer.reasons == {"no permission exists for this method and path"}
}

test_another_service_is_refused_though_its_certificate_is_verified if {
	answer := dataservice.result with input as calling("api-gateway", "GET", ["inventory"])
	answer.allow == false
	answer.reasons == {
		"no mTLS client that may call the data service",
		"no valid token of the calling service",
		"service api-gateway lacks permission read-inventory",
	}
}

test_another_services_token_is_refused if {
	answer := dataservice.result with input as object.union(reading, {"token": {"azp": "payment-service"}})
	answer.allow == false
	"no valid token of the calling service" in answer.reasons
}

test_an_unverified_certificate_is_refused if {
	every verified in [false, "true", null] {
		answer := dataservice.result with input as object.union(reading, {"mtls": {"verified": verified}})
		answer.allow == false
		answer.reasons == {"no mTLS client that may call the data service"}
	}
}

test_without_certificate_or_token_the_answer_is_still_defined if {
	answer := dataservice.result with input as object.union(
		object.remove(reading, ["mtls", "token"]),
		{"mtls": {"verified": false, "subject": {}, "san": {"uri": [], "dns": []}}, "token": {}},
	)
	answer.allow == false
	answer.audit.service == ""
	answer.reasons == {"no mTLS client that may call the data service", "no valid token of the calling service"}
}

test_an_expired_token_is_refused if {
	now := time.now_ns() / 1000000000
	dataservice.allow with input as object.union(reading, {"token": {"exp": now - 10}})
	not dataservice.allow with input as object.union(reading, {"token": {"exp": now - 40}})
	not dataservice.allow with input as object.union(reading, {"token": {"exp": "4102444800"}})
	answer := dataservice.result with input as object.union(reading, {"token": {"exp": 1}})
	answer.reasons == {"no valid token of the calling service"}
}
