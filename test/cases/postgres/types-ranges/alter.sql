ALTER id TYPE bigint, ADD COLUMN added int4range DEFAULT '[1,2)'
