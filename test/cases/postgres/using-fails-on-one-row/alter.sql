ALTER a TYPE int USING a::int
