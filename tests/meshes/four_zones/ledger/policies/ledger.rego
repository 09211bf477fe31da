package ledger

default allow := false

result := {"allow": allow, "audit": {"for": object.get(input.headers, "X-User-Context", "")}}

allow if {
	input.token.azp == "stock"
	input.request.segments == ["entries"]
	"ledger:write" in split(input.token.scope, " ")
}
