ALTER a TYPE timestamptz USING now()
