ALTER a TYPE double precision USING a + random()
