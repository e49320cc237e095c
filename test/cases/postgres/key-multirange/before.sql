CREATE TABLE t (k int4multirange PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('{}', 1),
  ('{(,)}', 2),
  ('{[1,2)}', 3),
  ('{[1,2),[5,6)}', 4),
  ('{(,5)}', 5),
  ('{[7,)}', 6);
