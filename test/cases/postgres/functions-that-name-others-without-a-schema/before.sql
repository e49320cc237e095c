CREATE TABLE things (id integer PRIMARY KEY);
CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE FUNCTION safe_norm(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN norm(x); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$;
CREATE FUNCTION is_short(x text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN length(norm(x)) < 1000; END $$;
CREATE TABLE t (id integer PRIMARY KEY, v text, g text GENERATED ALWAYS AS (safe_norm(v)) STORED, r regclass, p regprocedure, w text, CHECK (is_short(v)));
INSERT INTO t (id, v, r, p, w) SELECT n, 'v' || n, 'things', 'norm(text)', 'things' FROM generate_series(1, 100) AS n;
