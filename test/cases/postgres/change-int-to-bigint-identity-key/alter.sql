ALTER id TYPE bigint, ALTER a TYPE bigint
