ALTER id TYPE bigint, ADD COLUMN added regtype DEFAULT 'text'
