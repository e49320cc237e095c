ALTER a TYPE text USING told(a)
