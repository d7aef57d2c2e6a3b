PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;  -- what is committed survives the end of the process, though not of the machine
CREATE TABLE IF NOT EXISTS queues (name PRIMARY KEY, last) WITHOUT ROWID;  -- the last sequence number
CREATE TABLE IF NOT EXISTS messages (  -- after the queue in the order of messages.Message
    queue, annotations, properties, application, body, message_id, ttl, sequence, enqueued_at, expires_at,
    delivery_count, token, locked_until, PRIMARY KEY (queue, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON messages (queue, token, sequence);
CREATE INDEX IF NOT EXISTS locked ON messages (queue, locked_until) WHERE locked_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS mortal ON messages (queue, expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS seen (queue, message_id, at, PRIMARY KEY (queue, message_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aging ON seen (queue, at);
UPDATE messages SET token = NULL, locked_until = NULL WHERE token IS NOT NULL;  -- locks end with the process
