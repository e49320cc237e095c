ALTER id TYPE bigint, ALTER r TYPE text, ALTER p TYPE text, ALTER w TYPE regclass USING w::regclass
