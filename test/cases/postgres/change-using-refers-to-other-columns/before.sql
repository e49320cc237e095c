CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) || '!' $$;
CREATE TABLE t (id integer PRIMARY KEY, "first Name" text, "Last""Name" text, n integer, m integer);
INSERT INTO t SELECT n, 'f' || n, NULLIF('l' || n, 'l5'), n, -n FROM generate_series(1, 20) AS n;
