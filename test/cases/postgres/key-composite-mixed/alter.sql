ALTER v TYPE bigint, ADD COLUMN added integer DEFAULT 3
