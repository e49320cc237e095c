CREATE TABLE t (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  a integer NOT NULL DEFAULT 3,
  b text
);
INSERT INTO t (a, b) SELECT n, 'row ' || n FROM generate_series(1, 40) AS n;
