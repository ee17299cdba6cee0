-- Stores a new run, queued with wake 0, and its first dispatch entry; behind other runs of its conversation it is suspended without one.
-- KEYS the run's; 14 (only with an idempotency key) idem
-- ARGV agent, queue ("" when the registry must tell), tenant, priority, items, context, metadata, settings (JSON), idempotencyKey ("" for none),
--      inputHash, delayMs, deadlineMs, maxHops, idemTtlMs,
--      conversation ("" for none), conversationKeys (JSON: names of its keys), maxWaiting
-- Returns {"created", wake JSON or "" while it waits for its turn, agentSeenAtMs or ""} | {"conversation-full"}
--         | {"duplicate", runId} | {"conflict", runId} | {"unknown-agent", known name...}
-- Keeps I1, I3, I6 (who waits for a turn holds nothing), I12. At maxmemory it is refused whole: its first write is one that Redis refuses.
if redis.call("EXISTS", key.run) == 1 then return { "duplicate", arg.runId } end
local earlier = key.extra and redis.call("GET", key.extra)
if earlier then
  local run_id, hash = string.match(earlier, "^(%S+) (.*)$")
  if hash == arg.inputHash then return { "duplicate", run_id } end
  return { "conflict", run_id }
end
local seen_at = ""
local entry = redis.call("HGET", key.agents, arg.agent)
if entry then
  entry = cjson.decode(entry)
  seen_at = string.format("%.0f", entry.seenAtMs)
  if arg.queue == "" then arg.queue = entry.queue end
end
if arg.queue == "" then return { "unknown-agent", unpack(redis.call("HKEYS", key.agents), 1, 100) } end

local talk = arg.conversation ~= "" and cjson.decode(arg.conversationKeys)
find_conversation(talk)
local ahead = talk and redis.call("LLEN", talk.queue) or 0
if talk and ahead >= tonumber(arg.maxWaiting) then return { "conversation-full" } end

run = { status = "queued", hop = "0", wake = "0", agent = arg.agent, queue = arg.queue, priority = arg.priority, tenant = arg.tenant, attempts = "0" }
local due_at = now + tonumber(arg.delayMs)
set("v", "1", "runId", arg.runId, "status", "queued", "tenant", arg.tenant, "agent", arg.agent, "entryAgent", arg.agent, "queue", arg.queue,
  "priority", arg.priority, "metadata", arg.metadata, "context", arg.context, "settings", arg.settings, "inputHash", arg.inputHash,
  "hop", "0", "wake", "0", "attempts", "0", "retries", "0", "resamples", "0", "deaths", "0", "turns", "0", "turnsBefore", "0", "maxHops", arg.maxHops,
  "itemsBytes", #arg.items, "createdAtMs", now, "deadlineAtMs", now + tonumber(arg.deadlineMs), "lookDelayMs", LOOK_MS)
if arg.idempotencyKey ~= "" then set("idempotencyKey", arg.idempotencyKey) end
if tonumber(arg.delayMs) > 0 then
  set("notBeforeMs", due_at)
else
  due_at = now + LOOK_MS
end
redis.call("RPUSH", key.items, arg.items)
redis.call("ZADD", key.dispatch, due_at, arg.runId)
redis.call("ZADD", key.timers, now + tonumber(arg.deadlineMs), arg.runId)
redis.call("ZADD", key.index, 0, indexed("*", "queued"), 0, indexed(run.tenant, "queued"), 0, indexed("*", "*"), 0, indexed(run.tenant, "*"))
if key.extra then redis.call("SET", key.extra, arg.runId .. " " .. arg.inputHash, "PX", arg.idemTtlMs) end
event("run.queued", ',"queue":' .. quote(arg.queue))
if talk then
  redis.call("RPUSH", talk.queue, arg.runId)
  set("conversation", arg.conversation, "conversationKeys", arg.conversationKeys)
  use_conversation(talk)
end
if ahead > 0 then
  redis.call("ZREM", key.dispatch, arg.runId)
  move("suspended")
  set("suspension", "conversation")
  event("run.suspended", ',"suspension":"conversation"')
  return { "created", "", seen_at }
end
return { "created", cjson.encode(wake_job()), seen_at }
