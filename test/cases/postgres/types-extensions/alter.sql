ALTER id TYPE bigint, ADD COLUMN added citext DEFAULT 'X'
