ALTER n TYPE bigint, ADD COLUMN added integer DEFAULT 1
