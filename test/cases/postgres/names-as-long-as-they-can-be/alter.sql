ADD UNIQUE (b), ALTER b TYPE bigint
