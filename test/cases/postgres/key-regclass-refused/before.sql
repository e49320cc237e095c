CREATE TABLE other (i integer);
CREATE TABLE "odd Name" (i integer);
CREATE TABLE t (k regclass PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('pg_class', 1),
  ('pg_proc', 2),
  ('other', 3),
  ('pg_type', 4),
  ('public."odd Name"', 5),
  ('pg_index', 6);
