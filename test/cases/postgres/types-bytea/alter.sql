ALTER id TYPE bigint, ADD COLUMN added bytea DEFAULT '\x005c27'
