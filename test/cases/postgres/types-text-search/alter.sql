ALTER id TYPE bigint, ADD COLUMN added tsvector
