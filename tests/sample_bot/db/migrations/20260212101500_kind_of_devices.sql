-- migrate:up
ALTER TABLE devices ADD COLUMN kind TEXT NOT NULL DEFAULT 'unknown';

-- migrate:down
ALTER TABLE devices DROP COLUMN kind;
