ALTER a TYPE numeric(12,2), ALTER b TYPE text, ALTER c TYPE text, ALTER d TYPE real USING CASE WHEN abs(d) < 1e30 THEN d END, ALTER e TYPE integer USING e::integer
