ALTER a TYPE bigint
