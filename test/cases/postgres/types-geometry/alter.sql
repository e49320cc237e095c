ALTER id TYPE bigint, ADD COLUMN added point DEFAULT '(1,2)'
