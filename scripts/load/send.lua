-- Half of the sends synchronous, half asynchronous; every so many accepted requests are noted for the sampler.
-- Arguments: where to note them, one in how many.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  sent, accepted, refused = 0, 0, 0
  every = tonumber(args[2])
  notes = assert(io.open(args[1] .. "/accepted." .. number, "w"))
  verdicts = args[1] .. "/refused." .. number
end

function request()
  sent = sent + 1
  local mode = sent % 2 == 0 and "async" or "sync"
  return wrk.format("POST", "/api/v1/send?mode=idempotent&sendMode=" .. mode .. "&topic=load&eventId=LOAD-" .. number .. "-" .. sent)
end

function response(status, headers, body)
  if status == 202 then
    accepted = accepted + 1
    if accepted % every == 0 then
      notes:write(body:match('"requestId":"([^"]+)"'), "\n")
      notes:flush()
    end
  elseif status ~= 200 then
    refused = refused + 1
    if refused <= 5 then
      local file = io.open(verdicts, "a")
      file:write(status, " ", body, "\n")
      file:close()
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests":%d,"seconds":%.3f,"non2xx":%d,"socket":%d,"p50Ms":%.2f,"p99Ms":%.2f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
