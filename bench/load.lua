-- For wrk, with METHOD BODY [FILE PLACE]: every request the same, or one token of FILE after the other, from PLACE on.
-- Prints what happened as one line of JSON.

function init(args)
  wrk.method = args[1]
  if args[2] ~= "" then
    wrk.body = args[2]
  end
  local file, at = args[3], tonumber(args[4])
  if not file then
    return
  end
  local requests = {}
  for token in io.lines(file) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
