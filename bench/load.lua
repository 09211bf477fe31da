-- For wrk, with METHOD BODY PAUSE FIRST [FILE]: every request the same; with a FILE, one of its tokens after the other; else,
-- with a FIRST, each with another query. PAUSE is how many ms a connection waits before a request; FIRST is where to begin.
-- Prints what happened as one line of JSON.

function init(args)
  wrk.method = args[1]
  if args[2] ~= "" then
    wrk.body = args[2]
  end
  local pause, at, file = tonumber(args[3]), tonumber(args[4]), args[5]
  if pause > 0 then
    function delay()
      return pause
    end
  end
  if file then
    send_each_token(file, at)
  elseif at then
    function request()
      at = at + 1
      return wrk.format(nil, wrk.path .. "?n=" .. at)
    end
  end
end

function send_each_token(file, at)
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
