ALTER a TYPE numeric USING 1.0 / a
