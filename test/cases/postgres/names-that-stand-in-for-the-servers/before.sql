CREATE TABLE t (id varchar(40) COLLATE "C" PRIMARY KEY, v varchar(40));
INSERT INTO t SELECT CASE n % 2 WHEN 0 THEN 'k' ELSE 'K' END || n, 'v' || n FROM generate_series(1, 60) AS n;
CREATE FUNCTION "count"(varchar) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 1';
DO $$ DECLARE operator text;
BEGIN
  FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
    EXECUTE format('CREATE FUNCTION %I(varchar, varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS
      ''SELECT lower($1::text) COLLATE "C" OPERATOR(pg_catalog.%2$s) lower($2::text) COLLATE "C"''', 'insensitive' || operator, operator);
    EXECUTE format('CREATE OPERATOR %s (FUNCTION = %I, LEFTARG = varchar, RIGHTARG = varchar)', operator, 'insensitive' || operator);
  END LOOP;
END $$;
