ALTER id TYPE bigint, ADD added int DEFAULT 7
