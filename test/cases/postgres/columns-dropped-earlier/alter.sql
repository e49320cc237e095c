ALTER a TYPE bigint, DROP w
