ADD added integer, ALTER id TYPE bigint
