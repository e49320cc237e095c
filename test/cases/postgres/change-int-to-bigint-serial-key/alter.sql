ALTER COLUMN id TYPE bigint, ALTER a TYPE integer
