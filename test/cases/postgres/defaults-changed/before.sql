CREATE SEQUENCE shared;
CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$ SELECT 'from f' $$;
CREATE TABLE t (id integer PRIMARY KEY, a text DEFAULT 'a', b integer DEFAULT 1 NOT NULL, c integer DEFAULT nextval('shared'), d text DEFAULT f(), e timestamptz DEFAULT now());
INSERT INTO t (id, e) SELECT n, '2024-01-01' FROM generate_series(1, 20) AS n;
