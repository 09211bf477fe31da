package prices

default allow := false

allow if {
	input.mtls.subject.CN == "catalog-client"
	"read:prices" in split(input.token.scope, " ")
}
