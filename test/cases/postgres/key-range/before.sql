CREATE TABLE t (k int4range PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('empty', 1),
  ('(,)', 2),
  ('[1,2)', 3),
  ('[1,3)', 4),
  ('(,5)', 5),
  ('[7,)', 6);
