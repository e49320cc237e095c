ALTER k0 TYPE bigint, ADD COLUMN source integer, ADD COLUMN shadow integer, ADD COLUMN c0 text DEFAULT 'x'
