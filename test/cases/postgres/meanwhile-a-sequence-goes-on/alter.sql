ALTER id TYPE bigint, ALTER i TYPE bigint
