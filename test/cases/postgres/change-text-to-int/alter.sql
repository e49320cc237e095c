ALTER a DROP DEFAULT, ALTER a TYPE integer USING a::integer, ALTER a SET DEFAULT 6, ALTER b TYPE bigint USING CASE WHEN b ~ '^\s*\d+\s*$' THEN b::bigint END
