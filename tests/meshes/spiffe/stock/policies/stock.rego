package stock

default allow := false

allow if {
	some caller in input.mtls.san.uri
	data.callers[caller][input.request.method][_] == input.request.segments[0]
}
