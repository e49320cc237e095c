ALTER id TYPE bigint
